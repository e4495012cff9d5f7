"""A run that would leave less than the tables hold."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import clear_message
from tests.support.in_process import command_here
from tests.support.reading import reading
from tests.support.runs import CHECKED, Run, contents, run_batch
from tests.support.tables import csv_text, row
from tests.support.thorough import some
from transforms.marts.registry import TABLES

_HISTORY = [row(f"2024-01-{day:02}T00:00:00Z", f"user {day % 7}") for day in range(1, 21)]
_GUARDED = replace(CHECKED, max_shrink_pct=10)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of 20 events, after a run that left as much as there was."""
    folder = tmp_path_factory.mktemp("history")
    (folder / "events.csv").write_bytes(csv_text(_HISTORY))
    for _ in range(2):
        run_batch([folder / "events.csv"], folder / "growth.duckdb", Run(max_shrink_pct=10))
    return folder / "growth.duckdb"


@pytest.mark.parametrize("text", some([csv_text(_HISTORY[-1:]), csv_text([]), b""], 1))
def test_it_is_refused_and_recorded(tmp_path: Path, history: Path, text: bytes) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    shutil.copy(history, database)
    before = contents(database)
    source.write_bytes(text)
    with pytest.raises(Exception, match="the tables hold 20 events of 7 users on 20") as raised:
        run_batch([source], database, _GUARDED)
    message = clear_message(raised.value)
    assert message is not None
    assert message.lower().count("no table was touched") == 1
    after = contents(database)
    assert all(after[name].equals(before[name]) for name in TABLES)
    with reading(database) as connection:
        failed = connection.execute(
            "SELECT check_id FROM data_quality_results WHERE status = 'fail' ORDER BY 1"
        ).fetchall()
    assert failed == [
        ("dim_users.history_stays",),
        ("fct_events.history_stays",),
        ("growth_metrics.history_stays",),
    ]


def test_without_a_limit_the_tables_may_become_empty(tmp_path: Path, history: Path) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    shutil.copy(history, database)
    source.write_bytes(csv_text([]))
    tables = run_batch([source], database, Run(max_shrink_pct=None))
    assert tables["fct_events"].num_rows == 0


def test_a_person_is_shown_the_ways_on(folder: Path, history: Path) -> None:
    shutil.copy(history, folder)
    (folder / "day.csv").write_bytes(csv_text(_HISTORY[-1:]))
    run = command_here("batch", "--input", "day.csv", cwd=folder)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    for message in (
        "would leave 1 event of 1 user on 1 date",
        "--max_shrink_pct",
        "--allow_shrink",
    ):
        assert message in run.stderr
    allowed = command_here("batch", "--input", "day.csv", "--allow_shrink", cwd=folder)
    assert allowed.returncode == 0
    assert contents(folder / "growth.duckdb")["fct_events"].num_rows == 1


def test_an_empty_warehouse_may_stay_empty(folder: Path) -> None:
    (folder / "events.csv").write_bytes(csv_text([]))
    run = command_here("batch", "--input", "events.csv", cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert "No row was read: all tables are empty now." in run.stdout
