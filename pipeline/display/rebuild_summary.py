"""What a person sees of a rebuild that is done."""

from __future__ import annotations

from rich.text import Text

from pipeline.display.batch_summary import show_tables
from pipeline.display.check_display import checks_line
from pipeline.display.page import Page, plus_forgotten, show_failed, show_growth
from pipeline.paths import typed_command
from pipeline.reports import BatchReport
from pipeline.terminal import counted, printable
from pipeline.warehouse import TableReader
from transforms.reckoning import PLAIN, Reckoning


def show_rebuild(
    report: BatchReport,
    warehouse: TableReader,
    reckoning: Reckoning = PLAIN,
    *,
    by_other_rules: bool,
) -> None:
    """Print a finished rebuild's summary on stdout.

    Args:
        report: of the run.
        warehouse: its tables.
        reckoning: how time is reckoned in the tables.
        by_other_rules: whether the run was told rules, by which dead letters may pass.
    """
    console, counts = Page(), report.counts
    speed = counts.input_rows / max(report.seconds, 1e-9)
    console.print()
    console.print(
        f"[bold]Done in {report.seconds:.1f} s:[/] all tables built from "
        f"{counted(counts.input_rows, 'stored row')}, {speed:,.0f} a second"
    )
    console.print(
        f"  {counted(counts.input_rows, 'stored row')} = {counted(counts.events, 'event')} "
        f"+ {counted(counts.duplicates, 'duplicate')} + {counted(counts.rejected, 'dead letter')}"
        f"{plus_forgotten(counts)}"
    )
    if report.quality:
        console.print(f"  {checks_line(report.results)}")
    show_tables(console, report, "rows")
    show_failed(console, report.results)
    show_growth(console, warehouse, reckoning)
    if by_other_rules:
        again = printable(typed_command("replay", warehouse.url))
        console.print(
            Text(f"Dead letters that these rules can read become events by\n  {again}\n"),
            soft_wrap=True,
        )
