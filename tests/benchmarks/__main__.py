"""`make bench`: the figures of docs/benchmarks.md, each ratio from one run on this machine."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.benchmarks.forgetting import forgetting
from tests.benchmarks.process import Measured, measure
from tests.emulators.install import missing
from transforms.marts import fct_events

_ROOT = Path(__file__).parents[2]
_ROW_EVENTS = 100_000
_ROW_GROUP = 150_000


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 M events instead of 10 M")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; medians are shown")
    options = parser.parse_args()
    sizes = [1_000_000] if options.quick else [1_000_000, 10_000_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{datetime.now(UTC):%Y-%m-%d}, medians of {options.runs} runs\n")
        print("| what | events | seconds | events/s | peak memory |")
        print("|---|---|---|---|---|")
        seconds = {}
        for events in sizes:
            path = _sample(folder, events)
            ours, theirs = _in_turn(
                options.runs, partial(_command, path, folder), partial(_sql, path, folder)
            )
            _row("this pipeline, the whole command", events, ours)
            _row("the same tables in DuckDB SQL", events, theirs)
            seconds[events] = (ours.seconds, theirs.seconds)
        rows_path = _sample(folder, _ROW_EVENTS)
        by_rows = _median([_single_rows(rows_path, folder) for _ in range(options.runs)])
        _row("single-row Beam, two tables only", _ROW_EVENTS, by_rows)
        commit_speedup = _commit_paths(folder, sizes[0], options.runs)
        forgotten = _forgetting(folder, max(sizes), options.runs, seconds[max(sizes)][0])
        checks = _checks(folder / f"{max(sizes)}.csv", folder, max(sizes), options.runs)
    print()
    for events, (ours_seconds, theirs_seconds) in seconds.items():
        print(f"- {events:,} events: {ours_seconds / theirs_seconds:.2f} x the SQL's time")
    largest = max(sizes)
    speedup = (largest / seconds[largest][0]) / (_ROW_EVENTS / by_rows.seconds)
    print(f"- {speedup:.0f} x the events/s of single-row Beam")
    print(f"- {commit_speedup}")
    print(f"- {checks}")
    print(f"- {forgotten}")
    if len(sizes) > 1:
        print(
            f"- 10 x the events take {seconds[sizes[1]][0] / seconds[sizes[0]][0]:.1f} x the time"
        )


def _sample(folder: Path, events: int) -> Path:
    path = folder / f"{events}.csv"
    write_sample(path, events, 7)
    return path


def _in_turn(
    runs: int, first: Callable[[], Measured], second: Callable[[], Measured]
) -> tuple[Measured, Measured]:
    """Medians of two programs, run in turn, so that a noisy machine is unfair to neither."""
    pairs = [(first(), second()) for _ in range(runs)]
    return _median([one for one, _ in pairs]), _median([other for _, other in pairs])


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        statistics.median(run.seconds for run in runs),
        max(run.peak_bytes for run in runs),
        runs[-1].output,
    )


def _checks(path: Path, folder: Path, events: int, runs: int) -> str:
    """Measure a run with its checks and without; returns the comparison."""
    checked, unchecked = _in_turn(
        runs,
        partial(_command, path, folder),
        partial(_command, path, folder, "--quality", "off"),
    )
    _row("this pipeline with --quality off", events, unchecked)
    return f"checks add {100 * (checked.seconds / unchecked.seconds - 1):.1f} % to the time"


def _forgetting(folder: Path, events: int, runs: int, batch_seconds: float) -> str:
    """Measure the forgetting of people; returns the comparison with a batch over all events."""
    _command(folder / f"{events}.csv", folder)
    found = forgetting(folder / "ours.duckdb", folder, runs)
    _row("forget 100 users", events, found.run)
    share, rewriting = (
        taken / batch_seconds for taken in (found.run.seconds, found.rewriting_seconds)
    )
    return (
        f"forget of 100 users takes {share:.2f} x the batch's time, of which {rewriting:.2f} x to "
        "rewrite the DuckDB file"
    )


def _command(path: Path, folder: Path, *options: str) -> Measured:
    database = folder / "ours.duckdb"
    database.unlink(missing_ok=True)
    arguments = ["--input", str(path), "--warehouse", f"duckdb:///{database}", *options]
    return measure([sys.executable, "-m", "pipeline", "batch", *arguments], _ROOT)


def _sql(path: Path, folder: Path) -> Measured:
    database = folder / "theirs.duckdb"
    database.unlink(missing_ok=True)
    arguments = ["--input", str(path), "--database", str(database)]
    return measure([sys.executable, "-W", "ignore", "-m", "tests.oracle", *arguments], _ROOT)


def _single_rows(path: Path, folder: Path) -> Measured:
    output = folder / "single_rows"
    output.mkdir(exist_ok=True)
    module = "tests.benchmarks.single_rows"
    return measure([sys.executable, "-m", module, str(path), str(output)], _ROOT)


def _commit_paths(folder: Path, events: int, runs: int) -> str:
    """Measure fct_events on its way into BigQuery; returns the comparison."""
    if (reason := missing()) is not None:
        return f"the commit into BigQuery is not measured: {reason}"
    _command(folder / f"{events}.csv", folder)
    rows = open_warehouse(f"duckdb:///{folder / 'ours.duckdb'}").read(fct_events.TABLE)
    path = folder / "fct_events.parquet"
    pq.write_table(rows, path, row_group_size=_ROW_GROUP)
    ours, beams = _in_turn(
        runs, partial(_commit_path, "ours", path), partial(_commit_path, "beam", path)
    )
    _row("fct_events staged and loaded, our commit", rows.num_rows, ours)
    _row("the same by WriteToBigQuery(FILE_LOADS)", rows.num_rows, beams)
    return f"{beams.seconds / ours.seconds:.1f} x the rows/s of WriteToBigQuery into the emulator"


def _commit_path(whose: str, path: Path) -> Measured:
    """Of the whole process's peak memory, and of the pipeline's seconds alone."""
    module = "tests.benchmarks.commit_path"
    run = measure([sys.executable, "-W", "ignore", "-m", module, whose, str(path)], _ROOT)
    return replace(run, seconds=float(run.output.split()[-1]))


def _row(what: str, events: int, run: Measured) -> None:
    print(
        f"| {what} | {events:,} | {run.seconds:.1f} | {events / run.seconds:,.0f} "
        f"| {run.peak_bytes / 1e9:.2f} GB |",
        flush=True,
    )


if __name__ == "__main__":
    main()
