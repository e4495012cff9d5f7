"""Every command that writes marts writes the state beside them, in the same commit."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pytest

from pipeline.errors import RunError, clear_message
from pipeline.inputs.input_versions import local_file
from pipeline.inputs.loaded_inputs import fingerprint_to_store
from pipeline.launch.check_launch import check_tables
from pipeline.launch.state_fit import misfit
from pipeline.launch.state_of_tables import state_of
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import Change
from pipeline.warehouse.duckdb import DuckDBWarehouse
from tests.support.forgetting import plain, tables_of
from tests.support.in_process import command_here
from tests.support.reading import reading
from tests.support.replays import spoilt
from tests.support.runs import Run, command, run_batch, run_graph
from tests.support.state import mismatches
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, csv_text, row
from tests.support.thorough import some
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import CORRECTIONS
from transforms.quality.policy import Mode
from transforms.state import loaded_files, pipeline_runs, user_timelines, warehouse_settings
from transforms.state.loaded_files import LoadedFile
from transforms.state.pipeline_runs import RunState
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import ACTIVE_EVENT_TYPES

ROWS = [
    row("2024-01-01T10:00:00Z"),
    row("2024-01-01T23:50:00Z", "bob", "miles_earned", amount="250"),
    row("2024-01-02T00:10:00Z", "bob", "like", platform="Web", source="tv"),
    row("2024-02-29T12:00:00Z", "dé", "miles_redeemed", amount="40", country=""),
    row("2024-03-01T12:00:00Z", "dé", "share"),
    row("2024-03-01T12:00:00Z", "ann", "like"),
]


def state(database: Path, table: Table) -> pa.Table:
    return open_warehouse(f"duckdb:///{database}").read(table)


def runs(database: Path) -> list[RunState]:
    return pipeline_runs.runs_of(state(database, pipeline_runs.TABLE).sort_by("updated_at"))


def csv(folder: Path, name: str, rows: list[dict[str, str]]) -> Path:
    path = folder / name
    path.write_bytes(csv_text(rows))
    return path


@pytest.fixture(scope="module")
def of_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of ROWS, made by a run `one`."""
    folder = tmp_path_factory.mktemp("of_rows")
    run_batch([csv(folder, "a.csv", ROWS)], folder / "growth.duckdb", Run(run="one"))
    return folder / "growth.duckdb"


@pytest.fixture
def database(tmp_path: Path, of_rows: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(of_rows, tmp_path))


@pytest.mark.parametrize("active", some([("share", "like"), ("miles_earned",)], 1))
def test_a_batch_writes_the_state_of_its_events(tmp_path: Path, active: tuple[str, ...]) -> None:
    database = tmp_path / "growth.duckdb"
    files = [
        csv(tmp_path, "a.csv", [*ROWS[:3], ROWS[0], row("never")]),
        csv(tmp_path, "b.csv", [*ROWS[3:], row("never", "x"), row("never", "y")]),
        csv(tmp_path, "empty.csv", []),
    ]
    run_graph(files, database, Run(active_types=active, range_bytes=100))
    assert mismatches(database, active) == []
    assert state(database, CORRECTIONS).num_rows == 0
    listed = {str(path): local_file(str(path)) for path in files}
    assert loaded_files.files_of(state(database, loaded_files.TABLE)) == {
        path: LoadedFile(
            path, listed[path].size, fingerprint_to_store(listed[path]), rows, dead_letters
        )
        for path, rows, dead_letters in zip(map(str, files), (5, 5, 0), (1, 2, 0), strict=True)
    }
    settings = warehouse_settings.settings_of(state(database, warehouse_settings.TABLE))
    assert settings == warehouse_settings.noted_figures(FigureSettings(active))
    (found,) = runs(database)
    counts = found.counts or RunCounts()
    assert (found.outcome, found.run.run_id, found.run.started_at) == ("done", "test", NOW)
    assert (counts.input_rows, counts.events, counts.duplicates, counts.rejected) == (10, 6, 1, 3)


def test_another_batch_replaces_the_state(tmp_path: Path, database: Path) -> None:
    later = NOW + timedelta(days=1)
    run = Run(run="two", active_types=("like",), started_at=later)
    run_batch([csv(tmp_path, "b.csv", ROWS[2:5])], database, run)
    assert mismatches(database, ("like",)) == []
    assert state(database, loaded_files.TABLE)["run_id"].to_pylist() == ["two"]
    assert sorted(found.run.run_id for found in runs(database)) == ["one", "two"]
    noted = state(database, warehouse_settings.TABLE).to_pylist()
    found = [(one["value"], one["noted_at"]) for one in noted if one["name"] == ACTIVE_EVENT_TYPES]
    assert found == [("like", later)]


def test_a_sample_in_many_shards_has_the_state_of_its_events(tmp_path: Path) -> None:
    write_sample(tmp_path / "events.csv", 2_000, 9)
    run_graph([tmp_path / "events.csv"], tmp_path / "growth.duckdb", Run(user_shards=7))
    assert mismatches(tmp_path / "growth.duckdb") == []


def test_a_refused_run_is_noted_and_leaves_the_state(tmp_path: Path, database: Path) -> None:
    kept = {name: table for name, table in STATE_TABLES.items() if name != "pipeline_runs"}
    before = {name: state(database, table) for name, table in kept.items()}
    bad = csv(tmp_path, "b.csv", [*ROWS[:2], row("never")])
    modes: tuple[Mode | Literal["off"], ...] = ("off", "enforce")
    for quality in some(modes, 1):
        run = Run(run=f"two_{quality}", max_dead_letter_pct=10, quality=quality)
        with pytest.raises(Exception, match="dead letters"):
            run_batch([bad], database, run)
        refused = next(found for found in runs(database) if found.run.run_id == run.run)
        assert refused.outcome == "failed"
        assert str(refused.message).startswith("1 of 3 input rows are dead letters")
        assert refused.counts is not None and refused.counts.input_rows == 3
    assert {name: state(database, table) for name, table in kept.items()} == before
    assert mismatches(database) == []


def test_state_and_marts_change_together_or_not_at_all(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever change of a commit fails, nothing of it is there."""
    from pipeline.warehouse.duckdb import table_changes

    again = csv(tmp_path, "b.csv", ROWS[:4])
    with reading(database) as connection:
        names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        before = {name: connection.sql(f'FROM "{name}"').to_arrow_table() for name in names}
    original = table_changes.apply
    # Each call to DuckDB fails once in test_duckdb_kills.
    for failing in some(["loaded_files", "user_timelines", "pipeline_runs"], 1):

        def failed(
            connection: duckdb.DuckDBPyConnection, changes: Sequence[Change], at: str = failing
        ) -> None:
            last = [change.table.name for change in changes].index(at)
            original(connection, changes[: last + 1])
            raise duckdb.IOException("the disk is full")

        monkeypatch.setattr("pipeline.warehouse.duckdb.apply", failed)
        with pytest.raises(Exception, match="disk is full"):
            run_batch([again], database, Run(run=f"failing_{failing}"))
    with reading(database) as connection:
        after = {name: connection.sql(f'FROM "{name}"').to_arrow_table() for name in names}
    assert after == before
    monkeypatch.undo()
    run_batch([again], database, Run(run="sound"))
    assert mismatches(database) == []


def test_a_replay_writes_the_state_and_keeps_the_files(tmp_path: Path) -> None:
    database = tmp_path / "events.duckdb"
    run_batch([csv(tmp_path, "events.csv", [*ROWS[:3], *map(spoilt, ROWS[3:])])], database)
    files = state(database, loaded_files.TABLE)
    run = command_here(
        *("replay", "--edit", "s/_APP//", "--warehouse", f"duckdb:///{database}"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert mismatches(database) == []
    assert state(database, user_timelines.TABLE).num_rows == 3
    assert state(database, loaded_files.TABLE) == files
    batch, replay = runs(database)
    assert (batch.run.command, replay.run.command, replay.outcome) == ("batch", "replay", "done")
    assert "s/_APP//" not in str(replay.run.settings)  # It may quote the data.


@pytest.mark.parametrize("active", some([("share", "like"), ("miles_earned",)], 1))
def test_a_stream_keeps_the_state_true_in_each_flush(
    tmp_path: Path, active: tuple[str, ...]
) -> None:
    """Late events, one that turns out to be the first, and a user who comes in three flushes."""
    database = tmp_path / "growth.duckdb"
    bundles = [ROWS[3:], [ROWS[1], ROWS[1]], ROWS[:3], [row("2024-02-01T00:00:00Z", "bob")]]
    numbered = [
        [message(item, 10 * flush + at) for at, item in enumerate(bundle)]
        for flush, bundle in enumerate(bundles)
    ]
    run_stream(stream_of(numbered), database, active_types=active)
    assert mismatches(database, active) == []
    every = [item for bundle in bundles for item in bundle]
    batch = tables_of(every, FigureSettings(active))
    for name in ("user_timelines", "growth_counters"):
        contract = STATE_TABLES[name]
        assert plain(contract, state(database, contract)) == plain(contract, batch[name])
    (found,) = runs(database)
    assert (found.run.command, found.outcome, found.ended_at) == ("stream", "running", None)
    assert found.counts is not None and found.counts.input_rows == len(every)
    settings = warehouse_settings.settings_of(state(database, warehouse_settings.TABLE))
    assert settings == warehouse_settings.noted_figures(FigureSettings(active))


def test_a_run_that_fails_is_noted_by_its_launcher(tmp_path: Path) -> None:
    source = csv(tmp_path, "events.csv", ROWS)
    batch = ("batch", "--input", source.name)
    assert command_here(*batch, cwd=tmp_path).returncode == 0
    source.write_bytes(csv_text(ROWS).replace(b"user_id", b"who"))
    run = command_here(*batch, cwd=tmp_path)
    assert run.returncode == 1
    done, failed = runs(tmp_path / "growth.duckdb")
    assert (done.outcome, failed.outcome) == ("done", "failed")
    assert str(failed.message) in run.stderr
    assert failed.run.settings["input"] == ["events.csv"]
    shown = command("runs", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "forgotten" in shown.stdout and f"{done.run.started_at:%H:%M:%S}" in shown.stdout
    assert "Why they failed" in shown.stdout and "events.csv" in shown.stdout
    assert clear_message(RuntimeError(f"RunError: {failed.message}")) == failed.message


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM user_timelines WHERE user_id = 'bob'", "user_timelines is of 2 users where"),
        (
            "UPDATE growth_counters SET value = value + 1 WHERE counter = 'events_like'",
            "growth_counters is of 8 events where the marts are of 6",
        ),
    ],
)
def test_check_says_where_the_state_is_not_that_of_the_marts(
    database: Path, statement: str, said: str
) -> None:
    warehouse = open_warehouse(f"duckdb:///{database}")
    assert misfit(warehouse) is None
    with duckdb.connect(str(database)) as connection:
        connection.execute(statement)
    with pytest.raises(RunError, match=said) as checked:
        check_tables(warehouse, NOW)
    with pytest.raises(RunError) as updated:
        state_of(warehouse)
    # One way out, whoever says it.
    way = f"-m pipeline rebuild --warehouse {warehouse.url}"
    assert way in str(checked.value) and way in str(updated.value)
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE user_timelines")  # As an earlier version left it.
    assert misfit(warehouse) is None


def test_runs_of_a_file_without_the_table_are_refused(tmp_path: Path) -> None:
    nowhere = command("runs", "--warehouse", "duckdb:///none.duckdb", cwd=tmp_path)
    assert nowhere.returncode == 1 and "there is no warehouse" in nowhere.stderr
    duckdb.connect(str(tmp_path / "mine.duckdb")).close()
    mine = command("runs", "--warehouse", "duckdb:///mine.duckdb", cwd=tmp_path)
    assert mine.returncode == 1 and "has no table pipeline_runs" in mine.stderr
    assert DuckDBWarehouse.from_url("duckdb:///mine.duckdb").url in mine.stderr
