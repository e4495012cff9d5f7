"""What a person sees of the check command."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.display.check_display import checks_line
from pipeline.display.page import Page, show_failed, show_warehouse
from pipeline.warehouse import TableReader
from transforms.quality.compile import Check
from transforms.quality.reported import Reported


def show_checks(
    results: Sequence[Reported],
    left_out: Sequence[Check],
    newest: str,
    warehouse: TableReader,
    seconds: float,
) -> None:
    """Print what the check command found, and what it can't answer."""
    console = Page()
    console.print(f"\n[bold]Done in {seconds:.1f} s:[/] {checks_line(results)}")
    for check in left_out:
        console.print(
            f"  not evaluated: {check.check_id} ({check.description}), which a run alone can "
            "answer: see its own row of data_quality_results"
        )
    console.print(f"  {newest}")
    show_failed(console, results)
    show_warehouse(console, warehouse)
    console.print()
