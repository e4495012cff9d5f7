"""Runs that are killed or interrupted: the warehouse is whole, and the next run clears up."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import pytest

from pipeline.launch.state_fit import misfit
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support.pausing import MOMENTS, paused
from tests.support.runs import CHECKED_THOROUGHLY, command, contents, run_batch
from tests.support.state import mismatches
from tests.support.thorough import some
from transforms.marts.registry import TABLES

_BATCH = ("batch", "--quality", CHECKED_THOROUGHLY, "--input")


@pytest.fixture
def built(folder: Path) -> Path:
    """A folder with a warehouse."""
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    return folder


@pytest.mark.parametrize("moment", some(MOMENTS[::-1], 2))
def test_a_killed_run_leaves_the_warehouse_intact(built: Path, moment: str) -> None:
    database = built / "growth.duckdb"
    before, size = contents(database), database.stat().st_size
    # DuckDB writes the blocks of a large table into the file before the transaction's end.
    write_sample(built / "big.csv", 150_000 if moment == "committing" else 3_000, 1)
    run, _ = paused(moment, built, *_BATCH, "big.csv")
    assert any(built.glob("*.staging-*"))
    assert (database.stat().st_size > size) == (moment == "committing")
    run.kill()
    run.wait()
    after = contents(database)
    assert all(before[name].equals(after[name]) for name in TABLES)
    assert mismatches(database) == []
    again = command(*_BATCH, "events.csv", cwd=built)
    assert again.returncode == 0, again.stderr
    after = contents(database)
    assert all(before[name].equals(after[name]) for name in TABLES)
    assert misfit(open_warehouse(f"duckdb:///{database}")) is None
    assert sorted(path.name for path in built.iterdir()) == [
        "big.csv",
        "events.csv",
        "growth.duckdb",
    ]


@pytest.mark.parametrize("moment", some(["staged", "reading"], 1))
def test_an_interrupted_run_ends_with_one_line(built: Path, moment: str) -> None:
    before = contents(built / "growth.duckdb")
    with tempfile.TemporaryFile("w+") as errors:
        line = (*_BATCH, "events.csv")
        run, held = paused(moment, built, *line, stderr=errors.fileno())
        run.send_signal(signal.SIGINT)
        assert run.wait() == 130
        errors.seek(0)
        output = errors.read()
    assert held.exists()
    assert output.strip().count("\n") == 0
    assert "interrupted" in output
    after = contents(built / "growth.duckdb")
    assert all(before[name].equals(after[name]) for name in TABLES)
    assert command(*_BATCH, "events.csv", cwd=built).returncode == 0
    assert not list(built.glob("*.staging-*"))
