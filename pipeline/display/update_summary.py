"""What a person sees of an update that is done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from pipeline.display.batch_summary import (
    show_formats,
    show_notes,
    show_sum,
    show_tables,
    speed_line,
)
from pipeline.display.check_display import checks_line
from pipeline.display.page import Page, came, plus_forgotten, show_failed, show_growth
from pipeline.inputs.input_versions import InputFile
from pipeline.paths import typed_command
from pipeline.reports import MovedReport, UpdateReport
from pipeline.terminal import counted
from pipeline.warehouse import TableReader
from transforms.kernels.input_formats import Given
from transforms.reckoning import PLAIN, Reckoning


def other_checks(warehouse: TableReader) -> str:
    """What is said of the checks that an increment can't answer."""
    return (
        "Checks that look at all rows of events and users were left out; ask them with "
        f"{typed_command('check', warehouse.url)}"
    )


def show_update(
    report: UpdateReport,
    warehouse: TableReader,
    files: Sequence[InputFile],
    given: Given | None = None,
    reckoning: Reckoning = PLAIN,
) -> None:
    """Print a finished update's summary on stdout.

    Args:
        report: what it did.
        warehouse: what it updated.
        files: those that it loaded.
        given: what its rules say of them; None where it has no rules.
        reckoning: how time is reckoned in the tables.
    """
    console, counts = Page(), report.counts
    console.print()
    if not files:
        _show_without_files(console, report, warehouse)
        return
    console.print(speed_line(report, files))
    show_formats(console, files, given)
    if report.known_files:
        console.print(f"  {counted(report.known_files, 'other file')} had been loaded before")
    _show_moved(console, report.moved)
    show_sum(console, counts)
    if counts.known_dead_letters:
        console.print(
            f"  {counted(counts.known_dead_letters, 'dead letter')} of these the table had already"
        )
    show_notes(console, counts)
    if report.quality:
        console.print(f"  {checks_line(report.results)}")
        console.print(f"  {other_checks(warehouse)}", markup=False)
    show_tables(console, report, "rows written")
    show_failed(console, report.results)
    show_growth(console, warehouse, reckoning)


def _show_without_files(console: Console, report: UpdateReport, warehouse: TableReader) -> None:
    if report.moved is None:
        console.print(f"[bold]{nothing_new(report.known_files)}[/]")
        console.print()
        return
    console.print(f"[bold]Done in {report.seconds:.1f} s:[/] no file was new")
    _show_moved(console, report.moved)
    show_growth(console, warehouse)


def _show_moved(console: Console, moved: MovedReport | None) -> None:
    """Print who was moved to the id that stands for them."""
    if moved is None:
        return
    counts = moved.counts
    console.print(
        f"  {counted(moved.pairs, 'new anonymous id')} of --people, of which {moved.people:,} had "
        f"events: {came(counts, 'moved event')} = {counted(counts.events, 'event')} "
        f"+ {counted(counts.duplicates, 'duplicate')}{plus_forgotten(counts)}"
    )


def nothing_new(known: int) -> str:
    """What is said where no file is new."""
    return (
        f"Nothing to do: {counted(known, 'file')} {'was' if known == 1 else 'were'} loaded before, "
        "and none is new; nothing was changed"
    )
