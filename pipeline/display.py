"""What a person sees: progress while a run works, and its summary at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from pipeline.inputs import InputFile
from pipeline.progress import Progress as Notes
from pipeline.warehouse import Warehouse
from transforms.marts.registry import FINISH, TABLES
from transforms.marts.social_capital_growth_accounting import TABLE as GROWTH

_MONTHS_SHOWN: Final = 6
_POLL_SECONDS: Final = 0.2


@contextmanager
def show_progress(notes: Notes | None, staging: str, total_bytes: int) -> Iterator[None]:
    """Show on stderr how far a run is; without notes say nothing."""
    if notes is None:
        yield
        return
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    done = threading.Event()
    with bar:
        task = bar.add_task("Starting", total=max(total_bytes, 1), detail="")
        watcher = threading.Thread(
            target=_watch, args=(bar, task, notes, Path(staging), total_bytes, done)
        )
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _watch(
    bar: Progress,
    task: TaskID,
    notes: Notes,
    staging: Path,
    total_bytes: int,
    done: threading.Event,
) -> None:
    started = time.monotonic()
    while not done.wait(_POLL_SECONDS):
        reached = notes.reached()
        if not reached.bytes:
            continue
        speed = reached.records / (time.monotonic() - started)
        detail = (
            f"{_megabytes(reached.bytes)} of {_megabytes(total_bytes)}, "
            f"{reached.records:,} rows, {speed:,.0f}/s"
        )
        bar.update(task, description=_stage(staging), completed=reached.bytes, detail=detail)


def _stage(staging: Path) -> str:
    last_mart = list(FINISH)[-1]
    if any(staging.glob(f"{last_mart}-*.parquet")):
        return "Replacing tables"
    if any(staging.glob("fct_events-*.parquet")):
        return "Sessions, users, sums"
    return "Reading events"


def show_summary(report: dict[str, Any], warehouse: Warehouse, files: Sequence[InputFile]) -> None:
    """Print a finished run's summary on stdout."""
    console = Console(highlight=False)
    size = _megabytes(sum(file.size for file in files))
    count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
    speed = report["input_rows"] / max(report["seconds"], 1e-9)
    console.print()
    console.print(
        f"[bold]Done in {report['seconds']:.1f} s:[/] {report['input_rows']:,} rows of {count} "
        f"({size}), {speed:,.0f} a second"
    )
    console.print(
        f"  {report['input_rows']:,} input rows = {report['events']:,} events "
        f"+ {report['duplicates']:,} duplicates + {report['dead_letters']['total']:,} dead letters"
    )
    if report["ignored_miles_amounts"]:
        console.print(
            f"  {report['ignored_miles_amounts']:,} events have a miles_amount that their type "
            "has no use for; it was left out"
        )
    _section(console, "Tables", _tables(report["tables"]))
    if report["dead_letters"]["total"]:
        _section(console, "Dead letters, with the first of each kind", _dead_letters(report))
    growth = warehouse.read(GROWTH)
    if growth.num_rows:
        _section(console, "Growth by month", _growth(growth.sort_by("activity_month")))
        console.print(Padding(_latest(growth.sort_by("activity_month").to_pylist()[-1]), (0, 2)))
    console.print(f"\n[bold]Warehouse[/]  {warehouse.url}")
    console.print("Look into it with")
    console.print(f"  {warehouse.how_to_query()}", soft_wrap=True, markup=False)
    console.print()


def _section(console: Console, title: str, content: Grid) -> None:
    console.print(f"\n[bold]{title}[/]")
    console.print(Padding(content, (0, 2)))


def _grid(*columns: tuple[str, str]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for title, side in columns:
        grid.add_column(title, justify="right" if side == "right" else "left", no_wrap=True)
    return grid


def _tables(rows: dict[str, int]) -> Grid:
    grid = _grid(("table", "left"), ("rows", "right"), ("one row is", "left"))
    for name, number in rows.items():
        grid.add_row(
            name, f"{number:,}", Text(TABLES[name].description.split(":")[0].split(";")[0])
        )
    return grid


def _dead_letters(report: dict[str, Any]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("error_type", no_wrap=True)
    grid.add_column("rows", justify="right", no_wrap=True)
    grid.add_column("example", overflow="ellipsis", no_wrap=True)
    for error_type, number in report["dead_letters"]["by_error_type"].items():
        example = report["dead_letter_examples"][error_type]
        grid.add_row(error_type, f"{number:,}", Text(_printable(example["message"])))
        grid.add_row("", "", Text(_printable(example["payload"]), style="dim"))
    return grid


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _growth(growth: pa.Table) -> Grid:
    grid = _grid(
        ("month", "left"),
        ("active", "right"),
        ("new", "right"),
        ("retained", "right"),
        ("resurrected", "right"),
        ("churned", "right"),
        ("retention", "right"),
        ("quick ratio", "right"),
    )
    for month in growth.to_pylist()[-_MONTHS_SHOWN:]:
        grid.add_row(
            f"{month['activity_month']:%Y-%m}",
            f"{month['total_mau']:,}",
            f"+{month['new_users']:,}",
            f"{month['retained_users']:,}",
            f"+{month['resurrected_users']:,}",
            f"-{month['churned_users']:,}",
            _or_dash(month["retention_rate_pct"], "{:.1f} %"),
            _or_dash(month["quick_ratio"], "{:.2f}"),
        )
    return grid


def _latest(month: dict[str, Any]) -> Text:
    ratio = month["quick_ratio"]
    if ratio is None:
        return Text(f"{month['activity_month']:%B %Y}: nobody churned, so there is no quick ratio.")
    gained = month["new_users"] + month["resurrected_users"]
    return Text.assemble(
        f"{month['activity_month']:%B %Y}: ",
        f"{gained:,} users won for {month['churned_users']:,} lost, a quick ratio of ",
        (f"{ratio:.2f}", "bold"),
        f": {month['growth_quality_category']}.",
    )


def _or_dash(value: float | None, template: str) -> str:
    return "-" if value is None else template.format(value)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"
