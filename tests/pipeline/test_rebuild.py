"""Rebuilds: the tables of a batch, from stored events alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.launch import stored_rows
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support.dead_letters import run_replay
from tests.support.in_process import start
from tests.support.replays import computed_from
from tests.support.runs import Run, contents, run_batch
from tests.support.staging import in_order
from tests.support.tables import csv_text, row
from tests.support.thorough import some
from transforms.marts.registry import CORRECTIONS, TABLES
from transforms.state import growth_counters, pipeline_runs, user_timelines, warehouse_settings
from transforms.state.registry import STATE_TABLES

Tables = Mapping[str, pa.Table]
MARTS = [name for name in TABLES if name not in ("fct_events", "dead_letter_events")]
SPOILT = (
    "UPDATE fct_events SET event_id = md5(event_id), session_id = 'x', is_session_start = 1, "
    "event_sequence_in_session = 9"
)


def run_rebuild(database: Path, *arguments: str) -> None:
    """The rebuild command on a DuckDB file, in this process."""
    start("rebuild", *arguments, "--warehouse", f"duckdb:///{database}")


def change(database: Path, *statements: str) -> None:
    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            connection.execute(statement)


def unlike(left: Tables, right: Tables) -> list[str]:
    return [name for name in TABLES if not left[name].equals(right[name])]


def state(database: Path) -> list[Any]:
    """What updates go on from: timelines and counters."""
    warehouse = open_warehouse(f"duckdb:///{database}")
    return [
        in_order(warehouse.read(table).drop(["written_at"]).to_pylist())
        for table in (user_timelines.TABLE, growth_counters.TABLE)
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file and a warehouse of it in which a replay has corrected something."""
    folder = tmp_path_factory.mktemp("kept")
    source = folder / "events.csv"
    write_sample(source, 2_000, 3)
    source.write_bytes(source.read_bytes().replace(b",iOS,", b",IOS_APP,", 20))
    run_batch([source], folder / "events.duckdb", Run(user_shards=3))
    run_replay(folder / "events.duckdb", "--edit", "s/IOS_APP/iOS/")
    return folder


@pytest.fixture
def built(kept: Path, tmp_path: Path) -> Path:
    """A copy of the warehouse, beside one of its file."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return tmp_path / "events.duckdb"


def test_tables_come_back_from_the_source_values_of_events(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, kept = contents(built), state(built)
    corrections = open_warehouse(f"duckdb:///{built}").read(CORRECTIONS)
    # As an earlier version has left it, with other ids and without state.
    change(
        built,
        SPOILT,
        *(f"DELETE FROM {name}" for name in MARTS),
        *(f"DROP TABLE {name}" for name in STATE_TABLES),
    )
    with pytest.raises(OptionError, match="--active_event_types is needed"):
        run_rebuild(built)
    capsys.readouterr()
    every = "miles_earned,miles_redeemed,share,like,reward_search"
    summary = tmp_path / "summary.json"
    words = ("--quality", "enforce", "--summary_file", str(summary))
    run_rebuild(built, "--active_event_types", every, "--runner", "FnApiRunner", *words)
    after = contents(built)
    assert unlike(after, before) == []
    assert state(built) == kept
    assert open_warehouse(f"duckdb:///{built}").read(CORRECTIONS).equals(corrections)
    events, letters = after["fct_events"].num_rows, after["dead_letter_events"].num_rows
    told = capsys.readouterr().out
    assert letters > 0
    assert f"{events + letters:,} stored rows = {events:,} events + 0 duplicates + " in told
    report = json.loads(summary.read_text())
    assert (report["events"], report["dead_letters"]["total"]) == (events, letters)
    assert report["tables"]["fct_events"] == events
    (run,) = open_warehouse(f"duckdb:///{built}").read(pipeline_runs.TABLE).to_pylist()
    assert (run["command"], run["outcome"]) == ("rebuild", "done")
    # With what it has noted it runs by itself, in processes for so many shards: nothing changes.
    run_rebuild(built, "--user_shards", "8")
    assert unlike(contents(built), before) == []
    assert state(built) == kept


def test_other_event_types_make_users_active(built: Path, tmp_path: Path) -> None:
    run_rebuild(built, "--active_event_types", "share,like")
    source = tmp_path / "events.csv"
    source.write_bytes(source.read_bytes().replace(b"IOS_APP", b"iOS"))
    ours, theirs = contents(built), computed_from(source.read_bytes(), ("share", "like"))
    assert [name for name in unlike(ours, theirs) if name != "dead_letter_events"] == []
    noted = open_warehouse(f"duckdb:///{built}").read(warehouse_settings.TABLE)
    assert warehouse_settings.settings_of(noted)["active_event_types"] == "share,like"


def test_an_event_that_somebody_stored_twice_is_one(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(built)
    change(built, "INSERT INTO fct_events FROM fct_events LIMIT 3")
    run_rebuild(built)
    assert " events + 3 duplicates + " in capsys.readouterr().out
    assert unlike(contents(built), before) == []


def test_many_events_are_staged_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored_rows.FILE_ROWS > 100
    monkeypatch.setattr(stored_rows, "FILE_ROWS", 100)
    monkeypatch.setattr("pipeline.warehouse.duckdb._BATCH_ROWS", 90)
    start = datetime(2024, 1, 1)
    rows = [row((start + timedelta(hours=hour)).isoformat(), f"u{hour % 7}") for hour in range(500)]
    (tmp_path / "events.csv").write_bytes(csv_text([*rows, row("never")]))
    database = tmp_path / "events.duckdb"
    run_batch([tmp_path / "events.csv"], database)
    before = contents(database)
    for by in some([(), ("--runner", "FnApiRunner")], 1):
        run_rebuild(database, *by)
        assert unlike(contents(database), before) == []


def test_what_stored_events_can_not_give_is_refused(built: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has no table fct_events: a rebuild reads"):
        run_rebuild(tmp_path / "other.duckdb")
    before = contents(built)
    change(built, "UPDATE fct_events SET event_type = 'shared' WHERE platform = 'Android'")
    with pytest.raises(Exception, match="shared") as raised:
        run_rebuild(built)
    assert "run batch over the source files" in str(clear_message(raised.value))
    after = contents(built)
    assert [name for name in MARTS if not after[name].equals(before[name])] == []
    failed = open_warehouse(f"duckdb:///{built}").read(pipeline_runs.TABLE).to_pylist()[-1]
    assert (failed["command"], failed["outcome"]) == ("rebuild", "failed")
    change(built, "ALTER TABLE fct_events DROP COLUMN utm_source")
    with pytest.raises(OptionError, match="fct_events has no column utm_source, from which"):
        run_rebuild(built)


def test_other_runs_are_kept_out(built: Path) -> None:
    warehouse = open_warehouse(f"duckdb:///{built}")
    with (
        warehouse.lock(tuple(TABLES.values()), None, "other"),
        pytest.raises(RunError, match="another run is writing"),
    ):
        run_rebuild(built)
