"""A page on stdout, and what several summaries have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import IO, Final, cast

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from pipeline.display import growth_lines
from pipeline.display.check_display import failed_lines
from pipeline.terminal import Guarded, counted, is_watched, printable
from pipeline.warehouse import TableReader
from transforms.kernels.run_counts import RunCounts
from transforms.quality.reported import Reported
from transforms.reckoning import PLAIN, Reckoning

_PIPE_WIDTH: Final = 120
_GAP: Final = 2
_LEAST_TEXT: Final = 10


def show_failed(console: Console, results: Sequence[Reported]) -> None:
    """Print the checks that failed, if some did."""
    lines = list(failed_lines(results))
    if lines:
        console.print("\n[bold]Failed checks[/]")
    for line in lines:
        console.print(Padding(line, (0, _GAP)))


def came(counts: RunCounts, what: str) -> str:
    """What a run's sum begins with: what it has read, and stored events of users who are left out
    now, where there are some.

    Args:
        counts: of the run.
        what: one of the rows that it reads is called so.
    """
    return f"{counted(counts.input_rows, what)}{plus_taken_back(counts)}"


def plus_taken_back(counts: RunCounts) -> str:
    """Stored events of users who are left out now, where there are some."""
    if not counts.taken_back:
        return ""
    return f" + {counted(counts.taken_back, 'stored event')} taken back"


def plus_forgotten(counts: RunCounts) -> str:
    """What a run's sum has besides, where it dropped rows of users who were forgotten, or that
    rules leave out."""
    return "".join(f" + {part}" for part in dropped_rows(counts))


def dropped_rows(counts: RunCounts) -> list[str]:
    """How many rows a run has dropped, by why; nothing where there are none."""
    found = [forgotten_rows(counts)] if counts.forgotten else []
    if counts.left_out:
        rules = ", ".join(f"{number:,} {name}" for name, number in counts.excluded.items())
        found.append(f"{counts.left_out:,} excluded ({escape(rules)})")
    return found


def forgotten_rows(counts: RunCounts) -> str:
    """How many rows a run has dropped, because their users were forgotten."""
    return f"{counted(counts.forgotten, 'row')} of forgotten users"


def show_growth(console: Console, warehouse: TableReader, reckoning: Reckoning = PLAIN) -> None:
    """Print the last months, how time is reckoned, and how to look into the warehouse."""
    months = growth_lines.last_months(warehouse)
    if months:
        section(console, "Growth by month", growth_lines.lines(months), *growth_lines.COLUMNS)
        for line in growth_lines.headline(months):
            console.print(Padding(line, (0, _GAP)))
    show_reckoning(console, reckoning)
    show_warehouse(console, warehouse)
    console.print("Look into it with")
    console.print(f"  {printable(warehouse.how_to_query())}", soft_wrap=True, markup=False)
    console.print()


def show_reckoning(console: Console, reckoning: Reckoning) -> None:
    """Print how time is reckoned, where it is not as usual."""
    if said := reckoning.said:
        console.print(Text.assemble(("\nTime", "bold"), f"  {said}"), soft_wrap=True)


def show_warehouse(console: Console, warehouse: TableReader) -> None:
    """Print where the tables are."""
    show_warehouse_of(console, warehouse.url)


def show_warehouse_of(console: Console, url: str) -> None:
    """Print the URL of a warehouse."""
    console.print(Text.assemble(("\nWarehouse", "bold"), f"  {printable(url)}"), soft_wrap=True)


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
    least = sum(
        _LEAST_TEXT if heading[0] == "~" else width
        for width, heading in zip(widths, columns, strict=True)
    )
    if len(columns) > 3 and least + _GAP * (len(columns) + 1) > console.width:
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
            width=max(min(width, room), _LEAST_TEXT) if heading.startswith("~") else width,
            style="dim" if heading.startswith("~") else "",
            no_wrap=True,
            overflow="ellipsis",
        )
    for line in lines:
        grid.add_row(*(Text(cell) for cell in line))
    console.print(f"\n[bold]{title}[/]")
    console.print(Padding(grid, (0, 0, 0, _GAP)))


def dead_letter_lines(counts: RunCounts) -> list[tuple[str, str, str]]:
    """How many dead letters of each error_type there are, and one of each: why, and its record."""
    lines: list[tuple[str, str, str]] = []
    for error_type, number in counts.dead_letters.items():
        example = counts.examples[error_type]
        lines.append((error_type, f"{number:,}", example.message))
        lines.append(("", "", example.payload))
    return lines


def megabytes(size: int) -> str:
    """A size in bytes as people read it."""
    if size < 100_000:
        return f"{size / 1e3:,.1f} kB"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"
