"""What a person sees of checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from pipeline.terminal import printable
from transforms.quality.reported import Reported, counted


def checks_line(results: Sequence[Reported]) -> str:
    """How many checks passed and failed."""
    passed, *failed = counted(results)
    return f"checks  {', '.join([passed, *(f'[bold]{part}[/]' for part in failed)])}"


def failed_lines(results: Sequence[Reported]) -> Iterator[Text]:
    """Each failed check: how many rows fail, what it asks, and the first keys."""
    for result in results:
        if result.failed:
            yield Text.assemble((result.check_id, "bold"), f"  {result.figures}")
            yield Text(f"  {result.description}", "dim")
            yield Text(f"  e.g. {printable(result.keys)}", "dim")
