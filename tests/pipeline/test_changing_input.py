"""Input that changes between its listing and the commit: the tables stay as they were."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import RunError, clear_message
from pipeline.inputs.input_versions import local_file
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.run_commit import RunCommit
from pipeline.warehouse import open_warehouse
from tests.support.runs import Run, contents, run_batch, run_graph
from tests.support.tables import NOW, csv_text, row
from tests.support.thorough import paired
from transforms.kernels import csv_boundaries
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.quality.check_counts import CheckCounts
from transforms.state import pipeline_runs
from transforms.state.registry import STATE_TABLES

ROWS = [row(f"2024-01-{day:02}T00:00:00Z", f"user {day % 7}") for day in range(1, 21)]
SWAPPED = ["user_id", "event_time", *list(ROWS[0])[2:]]


def swap_two_columns(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(csv_text(ROWS, SWAPPED))
    other.rename(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of the rows."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "events.csv").write_bytes(csv_text(ROWS))
    run_batch([folder / "events.csv"], folder / "growth.duckdb")
    return folder / "growth.duckdb"


@pytest.mark.parametrize(
    ("change", "run"), paired([swap_two_columns, cut], [Run(), Run(range_bytes=300)])
)
def test_a_change_behind_the_listing_ends_the_run(
    tmp_path: Path, built: Path, change: Callable[[Path], None], run: Run
) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    source.write_bytes(csv_text(ROWS))
    shutil.copy(built, database)
    before = contents(database)
    listed = local_file(str(source))
    change(source)
    with pytest.raises(Exception, match="changed while it was read") as raised:
        run_graph([listed], database, run)
    assert "run again once nothing writes to it" in str(clear_message(raised.value))
    after = contents(database)
    assert all(after[name].equals(before[name]) for name in TABLES)


def test_a_change_between_ranges_and_reading_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    source.write_bytes(csv_text(ROWS))
    found = csv_boundaries.record_boundaries

    def boundaries(*arguments: object) -> Sequence[int]:
        ends = list(found(*arguments))  # type: ignore[arg-type]
        swap_two_columns(source)
        return ends

    monkeypatch.setattr("pipeline.inputs.csv_ranges.record_boundaries", boundaries)
    with pytest.raises(Exception, match="another file has taken its place"):
        run_graph([source], database, Run(range_bytes=300))
    assert not database.exists()


@pytest.mark.parametrize("run", [Run(), Run(range_bytes=300)])
def test_a_file_that_grew_is_read_as_it_was_listed(tmp_path: Path, run: Run) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    source.write_bytes(csv_text(ROWS))
    listed = local_file(str(source))
    with source.open("ab") as file:
        file.write(csv_text([row("2024-03-01T00:00:00Z")]).partition(b"\n")[2])
    assert run_graph([listed], database, replace(run, quality="off"))["fct_events"].num_rows == 20


def test_a_change_behind_the_reading_stops_the_commit(tmp_path: Path) -> None:
    source, database = tmp_path / "events.csv", tmp_path / "growth.duckdb"
    source.write_bytes(csv_text(ROWS))
    listed = local_file(str(source))
    warehouse = open_warehouse(f"duckdb:///{database}")
    plan = CommitPlan(
        {
            **CommitPlan.replacing(TABLES.values()).dispositions,
            **CommitPlan.adding(STATE_TABLES.values()).dispositions,
        }
    )
    run = pipeline_runs.Run("test", "batch", "1", NOW, {"active_event_types": "share"})
    commit = RunCommit(warehouse, plan, 50, run, str(tmp_path))
    commit.commit([], RunCounts(), CheckCounts(), [listed])
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE fct_events")
    source.write_bytes(csv_text(ROWS))
    with pytest.raises(RunError, match=r"it was written to in place.*No table was touched"):
        commit.commit([], RunCounts(), CheckCounts(), [listed])
    assert warehouse.count(TABLES["fct_events"]) is None
