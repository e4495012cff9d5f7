"""What a person sees of a batch run that is done."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from pipeline.display.check_display import checks_line
from pipeline.display.formats_line import formats_line
from pipeline.display.page import (
    Page,
    came,
    dead_letter_lines,
    megabytes,
    plus_forgotten,
    section,
    show_failed,
    show_growth,
)
from pipeline.inputs.input_versions import InputFile
from pipeline.reports import BatchReport
from pipeline.terminal import counted
from pipeline.warehouse import TableReader
from transforms.kernels.input_formats import Given
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.reckoning import PLAIN, Reckoning


def show_summary(
    report: BatchReport,
    warehouse: TableReader,
    files: Sequence[InputFile],
    given: Given | None = None,
    reckoning: Reckoning = PLAIN,
) -> None:
    """Print a finished run's summary on stdout.

    Args:
        report: what it did.
        warehouse: where it wrote.
        files: those that it read.
        given: what its rules say of them; None where it has no rules.
        reckoning: how time is reckoned in the tables.
    """
    console = Page()
    counts = report.counts
    console.print()
    console.print(speed_line(report, files))
    show_formats(console, files, given)
    show_sum(console, counts)
    if not counts.input_rows:
        console.print("  [bold]No row was read: all tables are empty now.[/]")
    show_notes(console, counts)
    if report.quality:
        console.print(f"  {checks_line(report.results)}")
    show_tables(console, report, "rows")
    show_failed(console, report.results)
    show_growth(console, warehouse, reckoning)


def speed_line(report: BatchReport, files: Sequence[InputFile]) -> str:
    """How much was read, and how fast."""
    size = megabytes(sum(file.size for file in files))
    rows = report.counts.input_rows
    return (
        f"[bold]Done in {report.seconds:.1f} s:[/] {counted(rows, 'row')} of "
        f"{counted(len(files), 'file')} ({size}), {rows / max(report.seconds, 1e-9):,.0f} a second"
    )


def show_formats(console: Console, files: Sequence[InputFile], given: Given | None) -> None:
    """Print what files were taken for, where rules read them."""
    if given is not None and files:
        console.print(f"  {formats_line(files, given)}", markup=False, soft_wrap=True)


def show_sum(console: Console, counts: RunCounts) -> None:
    """Print what became of the input rows."""
    console.print(
        f"  {came(counts, 'input row')} = {counted(counts.events, 'event')} "
        f"+ {counted(counts.duplicates, 'duplicate')} + {counted(counts.rejected, 'dead letter')}"
        f"{plus_forgotten(counts)}"
    )


def show_notes(console: Console, counts: RunCounts) -> None:
    """Print what else is to be known of the rows."""
    if counts.ignored_amounts:
        console.print(
            f"  {counted(counts.ignored_amounts, 'event')} with a miles_amount that the "
            "event's type has no use for: it was left out"
        )
    _show_corrections(console, counts.corrected, counts.corrections_failed)


def show_tables(console: Console, report: BatchReport, rows: str) -> None:
    """Print the rows of those tables that have some, and an example of each kind of dead letter.

    Args:
        console: where to.
        report: the run's.
        rows: what its figures of tables are.
    """
    counts = report.counts
    tables = [(name, f"{n:,}", TABLES[name].description) for name, n in report.tables.items() if n]
    if tables:
        section(console, "Tables", tables, "table", f">{rows}", "~what it holds")
    without = [name for name, n in report.tables.items() if not n]
    if without:
        console.print(f"  no {rows}{': ' + ', '.join(without) if tables else ''}")
    if counts.dead_letters:
        explained = "~the first of them: what is wrong, and the row"
        lines = dead_letter_lines(counts)
        section(console, "Dead letters", lines, "error_type", ">rows", explained)


def _show_corrections(console: Console, applied: int, failed: int) -> None:
    if applied:
        console.print(
            f"  {counted(applied, 'dead letter')} corrected by earlier replays: their "
            "corrections were taken"
        )
    if failed:
        console.print(
            f"  {counted(failed, 'dead letter')} whose correction by an earlier replay does not "
            "pass any more: they stay; see dead_letter_corrections"
        )
