"""Runs that are killed or interrupted: the warehouse is whole, and the next run clears up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.runs import command, contents, process_environment
from transforms.marts.registry import TABLES


@pytest.mark.parametrize("moment", ["reading", "staged", "committing"])
def test_a_killed_run_leaves_the_warehouse_intact(folder: Path, moment: str) -> None:
    database = folder / "growth.duckdb"
    command("batch", "--input", "events.csv", cwd=folder)
    before, size = contents(database), database.stat().st_size
    command("sample", "--events", "400000", "--output", "big.csv", cwd=folder)
    reached = {
        "reading": lambda: any(folder.glob("*.staging-*")),
        "staged": lambda: any(folder.glob("*.staging-*/fct_events-*")),
        # DuckDB writes the blocks of a large table into the file before the transaction's end.
        "committing": lambda: database.stat().st_size > size,
    }[moment]
    with _run_of(folder, "big.csv") as run:
        _wait_for(reached)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    after = contents(database)
    untouched = all(before[name].equals(after[name]) for name in TABLES)
    replaced = after["fct_events"].num_rows > 390_000 and after["growth_drivers"].num_rows > 500
    assert untouched or (moment == "committing" and replaced)
    again = command("batch", "--input", "big.csv", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert contents(database)["fct_events"].num_rows > 390_000
    assert sorted(path.name for path in folder.iterdir()) == [
        "big.csv",
        "events.csv",
        "growth.duckdb",
    ]


@pytest.mark.parametrize("moment", ["reading", "staged"])
def test_an_interrupted_run_ends_with_one_line(folder: Path, moment: str) -> None:
    command("batch", "--input", "events.csv", cwd=folder)
    before = contents(folder / "growth.duckdb")
    command("sample", "--events", "2000000", "--output", "big.csv", cwd=folder)
    pattern = "*.staging-*/dead_letter_events-*" if moment == "reading" else "*.staging-*/fct_*"
    with _run_of(folder, "big.csv", stderr=subprocess.PIPE) as run:
        _wait_for(lambda: any(folder.glob(pattern)))
        run.send_signal(signal.SIGINT)
        told = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 130
    assert told.strip().count("\n") == 0
    assert "interrupted" in told
    after = contents(folder / "growth.duckdb")
    assert all(before[name].equals(after[name]) for name in TABLES)
    assert command("batch", "--input", "events.csv", cwd=folder).returncode == 0
    assert not list(folder.glob("*.staging-*"))


def _run_of(folder: Path, name: str, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "batch", "--input", name],
        cwd=folder,
        env=process_environment(),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the run did not get there"
