"""An update of 100,000 events against a batch over all, and into histories of several lengths.

python -m tests.benchmarks.updates           # prints a Markdown table; --quick for 1 M events
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

from pipeline.sample import write_sample
from tests.benchmarks.process import Measured, measure

_ROOT: Final = Path(__file__).parents[2]
_NEW: Final = 100_000


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.updates", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 1 M events instead of 20 M")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; medians are shown")
    options = parser.parse_args()
    unit = 125_000 if options.quick else 2_500_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _files(folder, 8 * unit)
        print("| history | update of 100,000 events | batch over all | share | peak memory |")
        print("|---|---|---|---|---|")
        seconds = {}
        for parts in (1, 2, 4, 8):
            history = files[:parts]
            update, batch = _measured(folder, history, files[-1], options.runs, parts == 4)
            seconds[parts] = update.seconds
            share = "" if batch is None else f"{update.seconds / batch.seconds:.2f}"
            whole = "" if batch is None else f"{batch.seconds:.1f} s"
            print(
                f"| {parts * unit:,} | {update.seconds:.1f} s | {whole} | {share} "
                f"| {update.peak_bytes / 1e9:.2f} GB |",
                flush=True,
            )
    print(f"\n- 8 x the history: {seconds[8] / seconds[1]:.2f} x the time of an update")


def _files(folder: Path, events: int) -> list[Path]:
    """A history in eight files of the same users, and a ninth of the newest events."""
    path = folder / "all.csv"
    write_sample(path, events + _NEW, 7)
    with path.open("rb") as lines:
        header = next(lines)
        parts = [folder / f"{part}.csv" for part in range(8)]
        outputs = [part.open("wb") for part in parts]
        newest = (folder / "new.csv").open("wb")
        for output in (*outputs, newest):
            output.write(header)
        for number, line in enumerate(lines):
            # Each file has its share of every user and date.
            target = outputs[number * 2_654_435_761 % 2**32 // 2**29]
            (newest if number >= events else target).write(line)
        for output in (*outputs, newest):
            output.close()
    path.unlink()
    return [*parts, folder / "new.csv"]


def _measured(
    folder: Path, history: list[Path], new: Path, runs: int, whole: bool
) -> tuple[Measured, Measured | None]:
    """Medians of an update into a history, and of a batch over both where it is asked for."""
    built = folder / "built.duckdb"
    _run("batch", history, built)
    updates, batches = [], []
    for _ in range(runs):
        shutil.copy(built, folder / "updated.duckdb")
        updates.append(_run("update", [*history, new], folder / "updated.duckdb"))
        if whole:
            batches.append(_run("batch", [*history, new], folder / "whole.duckdb"))
    return _median(updates), _median(batches) if whole else None


def _run(command: str, files: list[Path], database: Path) -> Measured:
    if command == "batch":
        database.unlink(missing_ok=True)
    arguments = ["--input", *map(str, files), "--warehouse", f"duckdb:///{database}"]
    return measure([sys.executable, "-m", "pipeline", command, *arguments], _ROOT)


def _median(runs: list[Measured]) -> Measured:
    return Measured(
        statistics.median(run.seconds for run in runs),
        max(run.peak_bytes for run in runs),
        runs[-1].output,
    )


if __name__ == "__main__":
    main()
