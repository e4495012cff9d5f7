"""100 users forgotten, against the batch that built the tables."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import duckdb

from tests.benchmarks.process import Measured, measure

_ROOT = Path(__file__).parents[2]
_USERS = 100


class Forgetting(NamedTuple):
    """What forgetting takes.

    Attributes:
        run: the whole command; the median of its times.
        rewriting_seconds: for the rewriting of the file alone, likewise.
    """

    run: Measured
    rewriting_seconds: float


def forgetting(database: Path, folder: Path, runs: int) -> Forgetting:
    """Measure the command on copies of a warehouse.

    Args:
        database: the warehouse; it stays as it is.
        folder: where to work.
        runs: how often.
    """
    ids, copy, summary = folder / "ids.txt", folder / "forgetting.duckdb", folder / "forget.json"
    with duckdb.connect(str(database), read_only=True) as connection:
        people = connection.execute(
            f"SELECT user_id FROM dim_users USING SAMPLE reservoir({_USERS} ROWS) REPEATABLE (7)"
        ).fetchall()
    ids.write_text("\n".join(name for (name,) in people))
    options = ("--user_ids", str(ids), "--summary_file", str(summary))
    measured, rewriting = [], []
    for _ in range(runs):
        shutil.copy(database, copy)
        command = [sys.executable, "-m", "pipeline", "forget", *options]
        measured.append(measure([*command, "--warehouse", f"duckdb:///{copy}"], _ROOT))
        rewriting.append(json.loads(summary.read_text())["rewriting_seconds"])
    copy.unlink()
    seconds = statistics.median(run.seconds for run in measured)
    peak = max(run.peak_bytes for run in measured)
    return Forgetting(Measured(seconds, peak, measured[-1].output), statistics.median(rewriting))
