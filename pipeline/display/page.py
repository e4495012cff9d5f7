"""What a person sees: progress while a run works, and its summary at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, Final, cast

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from pipeline.display import growth_lines
from pipeline.display.check_display import checks_line, failed_lines
from pipeline.inputs.input_versions import InputFile
from pipeline.progress import Progress as Notes
from pipeline.progress import Reached
from pipeline.terminal import Guarded, counted, is_watched, printable
from pipeline.warehouse import TableReader
from transforms.marts.registry import TABLES
from transforms.quality.compile import Check

_POLL_SECONDS: Final = 0.2
_PIPE_WIDTH: Final = 120
_GAP: Final = 2


@contextmanager
def show_progress(notes: Notes | None, total_bytes: int) -> Iterator[None]:
    """Show on stderr how far a run is; without notes say nothing."""
    if notes is None:
        yield
        return
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=Console(file=cast(IO[str], Guarded(sys.stderr))),
        transient=True,
    )
    done = threading.Event()
    with bar:
        task = bar.add_task("Starting", total=max(total_bytes, 1), detail="")
        watcher = threading.Thread(target=_watch, args=(bar, task, notes, total_bytes, done))
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _watch(
    bar: Progress, task: TaskID, notes: Notes, total_bytes: int, done: threading.Event
) -> None:
    started = time.monotonic()
    before = Reached()
    while not done.wait(_POLL_SECONDS):
        reached = notes.reached()
        bar.update(task, description=_stage(notes, reached, total_bytes))
        if reached == before:
            continue  # Once all is read, the speed of reading stands still.
        before = reached
        speed = reached.records / (time.monotonic() - started)
        detail = (
            f"{_megabytes(reached.bytes)} of {_megabytes(total_bytes)}, "
            f"{reached.records:,} rows, {speed:,.0f}/s"
        )
        bar.update(task, completed=reached.bytes, detail=detail)


def _stage(notes: Notes, reached: Reached, total_bytes: int) -> str:
    if notes.committing:
        return "Replacing tables"
    return "Sessions, users, sums" if reached.bytes >= total_bytes else "Reading events"


def show_summary(
    report: dict[str, Any], warehouse: TableReader, files: Sequence[InputFile]
) -> None:
    """Print a finished run's summary on stdout."""
    console = Page()
    size = _megabytes(sum(file.size for file in files))
    letters = report["dead_letters"]["total"]
    speed = report["input_rows"] / max(report["seconds"], 1e-9)
    console.print()
    console.print(
        f"[bold]Done in {report['seconds']:.1f} s:[/] {counted(report['input_rows'], 'row')} of "
        f"{counted(len(files), 'file')} ({size}), {speed:,.0f} a second"
    )
    console.print(
        f"  {counted(report['input_rows'], 'input row')} = {counted(report['events'], 'event')} "
        f"+ {counted(report['duplicates'], 'duplicate')} + {counted(letters, 'dead letter')}"
    )
    if not report["input_rows"]:
        console.print("  [bold]No row was read: all tables are empty now.[/]")
    if report["ignored_miles_amounts"]:
        console.print(
            f"  {counted(report['ignored_miles_amounts'], 'event')} with a miles_amount that the "
            "event's type has no use for: it was left out"
        )
    _show_corrections(console, **report["earlier_corrections"])
    if "quality" in report:
        console.print(f"  {checks_line(report['quality']['results'])}")
    tables = [
        (name, f"{rows:,}", TABLES[name].description) for name, rows in report["tables"].items()
    ]
    section(console, "Tables", tables, "table", ">rows", "~what it holds")
    if report["dead_letters"]["total"]:
        explained = "~the first of them: what is wrong, and the row"
        by_type, examples = report["dead_letters"]["by_error_type"], report["dead_letter_examples"]
        lines = letter_lines(by_type, examples)
        section(console, "Dead letters", lines, "error_type", ">rows", explained)
    show_failed(console, report.get("quality", {}).get("results", []))
    show_growth(console, warehouse)


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


def show_checks(
    results: Sequence[dict[str, Any]],
    left_out: Sequence[Check],
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
    show_failed(console, results)
    console.print(
        Text.assemble(("\nWarehouse", "bold"), f"  {printable(warehouse.url)}"), soft_wrap=True
    )
    console.print()


def show_failed(console: Console, results: Sequence[dict[str, Any]]) -> None:
    """Print the checks that failed, if some did."""
    lines = list(failed_lines(results))
    if lines:
        console.print("\n[bold]Failed checks[/]")
    for line in lines:
        console.print(Padding(line, (0, _GAP)))


def show_growth(console: Console, warehouse: TableReader) -> None:
    """Print the last months, and how to look into the warehouse."""
    months = growth_lines.last_months(warehouse)
    if months:
        section(console, "Growth by month", growth_lines.lines(months), *growth_lines.COLUMNS)
        for line in growth_lines.headline(months):
            console.print(Padding(line, (0, _GAP)))
    console.print(
        Text.assemble(("\nWarehouse", "bold"), f"  {printable(warehouse.url)}"), soft_wrap=True
    )
    console.print("Look into it with")
    console.print(f"  {printable(warehouse.how_to_query())}", soft_wrap=True, markup=False)
    console.print()


class Page(Console):
    """Stdout that may fail, or have a reader that leaves early: the run is through."""

    def __init__(self) -> None:
        out = cast(IO[str], Guarded(sys.stdout))
        super().__init__(file=out, highlight=False, width=_width())


def _width() -> int | None:
    """None to fill a terminal; elsewhere wide enough for every table."""
    return None if is_watched(sys.stdout) or "COLUMNS" in os.environ else _PIPE_WIDTH


def section(console: Console, title: str, lines: Sequence[Sequence[str]], *columns: str) -> None:
    """Print a table under a title.

    Args:
        console: where to.
        title: of the table.
        lines: its cells, which may be data: they are made printable.
        columns: their titles; those that begin with > stand right, the one with ~ is cut short
            where the console is too narrow.
    """
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [
        max(cell_len(cell) for cell in (heading.lstrip(">~"), *(line[index] for line in lines)))
        for index, heading in enumerate(columns)
    ]
    fixed = sum(w for w, heading in zip(widths, columns, strict=True) if heading[0] != "~")
    if len(columns) > 3 and fixed + _GAP * (len(columns) + 1) > console.width:
        # A number that is cut short is a wrong number: rather leave out the last column but one.
        shorter = [[*line[:-2], line[-1]] for line in lines]
        section(console, title, shorter, *columns[:-2], columns[-1])
        return
    grid = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    for heading, width in zip(columns, widths, strict=True):
        room = console.width - sum(widths) + width - _GAP * (len(columns) + 1)
        grid.add_column(
            heading.lstrip(">~"),
            justify="right" if heading.startswith(">") else "left",
            width=max(min(width, room), 10) if heading.startswith("~") else width,
            style="dim" if heading.startswith("~") else "",
            no_wrap=True,
            overflow="ellipsis",
        )
    for line in lines:
        grid.add_row(*(Text(cell) for cell in line))
    console.print(f"\n[bold]{title}[/]")
    console.print(Padding(grid, (0, 0, 0, _GAP)))


def letter_lines(
    by_type: Mapping[str, int], examples: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str, str]]:
    """How many dead letters of each error_type there are, and one of each: why, and its record."""
    lines: list[tuple[str, str, str]] = []
    for error_type, number in by_type.items():
        example = examples[error_type]
        lines.append((error_type, f"{number:,}", example["message"]))
        lines.append(("", "", example["payload"]))
    return lines


def _megabytes(size: int) -> str:
    if size < 100_000:
        return f"{size / 1e3:,.1f} kB"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"
