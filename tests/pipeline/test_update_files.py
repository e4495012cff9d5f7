"""Files that are loaded day by day: the whole graph, and what is said and refused around it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.input_versions import fingerprint, local_file
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.check_launch import check_tables
from pipeline.launch.new_files import Asked
from pipeline.launch.runners import Runner
from pipeline.launch.update_launch import run_update
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.checksums import checksum_of
from pipeline.warehouse.duckdb.file_lock import locked
from tests.support.reading import asked, reading
from tests.support.replays import spoilt
from tests.support.repository import ROOT
from tests.support.runs import CHECKED_THOROUGHLY, command, contents, read_all, run_batch
from tests.support.tables import NOW, csv_text, differences, oracle_tables, row
from tests.support.thorough import some, thorough
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.registry import TABLES
from transforms.state.registry import STATE_TABLES

RUNNER = Runner("FnApiRunner", True, 1)


@dataclass(frozen=True)
class Days:
    """A warehouse that files are loaded into, one run an hour.

    Attributes:
        database: the DuckDB file.
        folder: of the input files.
    """

    database: Path
    folder: Path

    @classmethod
    def into(cls, folder: Path) -> Days:
        """An empty one."""
        (folder / "events").mkdir()
        return cls(folder / "growth.duckdb", folder / "events")

    def write(self, name: str, text: bytes) -> None:
        (self.folder / name).write_bytes(text)

    def update(
        self, hour: int, asked: Asked | None = None, by_beam: bool = False, **more: Any
    ) -> None:
        """Load all files of the folder that are new, with a runner or without one."""
        job = BatchJob(
            files=[local_file(str(path)) for path in sorted(self.folder.glob("*.csv"))],
            warehouse=open_warehouse(f"duckdb:///{self.database}"),
            user_shards=1,
            figures=FigureSettings(),
            max_dead_letter_pct=100.0,
            run=f"run_{hour}",
            started_at=NOW + timedelta(hours=hour),
            command="update",
            quality=CHECKED_THOROUGHLY,
        )
        beam = ByBeam(RUNNER, by_beam, lambda: pipeline_options(RUNNER, []))
        run_update(replace(job, **more), asked or Asked(), beam, None, None)

    def ask(self, statement: str) -> list[Any]:
        return asked(self.database, statement)


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days.into(tmp_path)


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Days:
    """A warehouse into which 1.csv was loaded in the first hour: an event and a dead letter."""
    folder = tmp_path_factory.mktemp("first_day")
    days = Days.into(folder)
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z"), row("never")]))
    days.update(1)
    return days


@pytest.fixture
def loaded(tmp_path: Path, first_day: Days) -> Days:
    """A copy of it, which knows its file by the path of the file's copy."""
    shutil.copytree(first_day.database.parent, tmp_path, dirs_exist_ok=True)
    days = Days(tmp_path / "growth.duckdb", tmp_path / "events")
    with duckdb.connect(str(days.database)) as connection:
        connection.execute("UPDATE loaded_files SET path = ?", [str(days.folder / "1.csv")])
    return days


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The lines of a sample, its header first; such as any reader understands."""
    path = tmp_path_factory.mktemp("sample") / "events.csv"
    write_sample(path, 1_000, 3)
    found = path.read_bytes().splitlines(keepends=True)
    return [line for line in found if line.count(b'"') % 2 == 0 and b"\xff" not in line]


@pytest.fixture(scope="module")
def large() -> bytes:
    """A text of few rows, and of more bytes than samples of them cover."""
    days = range(1, 31)
    rows = [row(f"2024-01-{day:02}T00:00:00Z", category="x" * 12_000) for day in days]
    return csv_text(rows)


def parted(lines: Sequence[bytes], parts: int) -> list[bytes]:
    """CSV texts that share the lines out one by one, so that all of them are late in all others."""
    header, *rest = lines
    return [header + b"".join(rest[part::parts]) for part in range(parts)]


def state_of(database: Path) -> dict[str, list[Any]]:
    """What the state tables hold that follows from events."""
    with reading(database) as connection:
        return {
            name: connection.execute(
                f'SELECT * EXCLUDE ("{STATE_TABLES[name].written_at}") FROM {name} ORDER BY ALL'
            ).fetchall()
            for name in ("user_timelines", "growth_counters")
        }


def test_files_of_several_days_end_as_one_batch_and_as_plain_sql(
    tmp_path: Path, days: Days, lines: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = parted(lines, 3)
    days.write("1.csv", first)
    days.update(1)
    days.write("2.csv", second)
    days.update(2, by_beam=True, quality="enforce")
    days.write("3.csv", third)
    days.write("copy.csv", first)
    capsys.readouterr()
    days.update(3, quality="enforce")
    told = capsys.readouterr().out
    copied = first.count(b"\n") - 1
    assert "2 other files had been loaded before" in told
    (tmp_path / "all.csv").write_bytes(b"".join(lines))
    run_batch([tmp_path / "all.csv"], tmp_path / "one.duckdb")
    ours, theirs = contents(days.database), contents(tmp_path / "one.duckdb")
    for name in set(TABLES) - {"dead_letter_events"}:
        assert ours[name].equals(theirs[name]), name
    assert state_of(days.database) == state_of(tmp_path / "one.duckdb")
    # A copy's broken rows are dead letters of another file.
    letters = ours["dead_letter_events"]
    of_copy = [source for source in letters["source"].to_pylist() if source.endswith("copy.csv")]
    assert letters.num_rows == theirs["dead_letter_events"].num_rows + len(of_copy)
    tables = read_all(open_warehouse(f"duckdb:///{days.database}"))
    with oracle_tables(tmp_path / "all.csv", tables) as oracle:
        assert differences(oracle, tables) == {}
    check_tables(open_warehouse(f"duckdb:///{days.database}"), NOW)
    loaded = days.ask(
        "SELECT parse_filename(path), input_rows, run_id FROM loaded_files ORDER BY path"
    )
    assert [(name, run) for name, _, run in loaded] == [
        ("1.csv", "run_1"),
        ("2.csv", "run_2"),
        ("3.csv", "run_3"),
        ("copy.csv", "run_3"),
    ]
    assert loaded[0][1] == loaded[3][1] == copied
    runs = days.ask(
        "SELECT command, outcome, counts->>'input_rows', counts->>'events' "
        "FROM pipeline_runs ORDER BY run_id"
    )
    assert [(found[0], found[1]) for found in runs] == [("update", "done")] * 3
    assert sum(int(found[3]) for found in runs) == tables["fct_events"].num_rows
    (failed,) = days.ask("SELECT count(*) FROM data_quality_results WHERE status = 'fail'")
    assert failed == (0,)


def test_without_a_new_file_nothing_is_changed(
    loaded: Days, capsys: pytest.CaptureFixture[str]
) -> None:
    days = loaded
    before = days.database.read_bytes()
    capsys.readouterr()
    days.update(2)
    assert "1 file was loaded before, and none is new" in capsys.readouterr().out
    assert days.database.read_bytes() == before
    (days.folder / "1.csv").unlink()
    days.write("2.csv", csv_text([row("2024-01-02T00:00:00Z")]))
    days.update(3)
    assert days.ask("SELECT count(*) FROM fct_events") == [(2,)]
    assert days.ask("SELECT count(*) FROM dead_letter_events") == [(1,)]


def test_a_file_that_has_changed_is_named_with_the_ways_on(loaded: Days) -> None:
    days = loaded
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z"), row("2024-01-02T00:00:00Z")]))
    days.write("2.csv", csv_text([row("2024-01-03T00:00:00Z")]))
    with pytest.raises(RunError) as raised:
        days.update(2)
    message = str(clear_message(raised.value))
    for told in ("1.csv", "has changed since it was loaded", "rename it", "replay", "batch"):
        assert told in message
    assert message.endswith("No table was touched but pipeline_runs, which says so")
    assert days.ask("SELECT count(*) FROM fct_events") == [(1,)]
    assert days.ask(
        "SELECT run_id, outcome, message FROM pipeline_runs WHERE run_id <> 'run_1'"
    ) == [("run_2", "failed", str(raised.value))]
    (days.folder / "1.csv").rename(days.folder / "1b.csv")
    days.update(3)
    assert days.ask("SELECT count(*) FROM fct_events") == [(3,)]


def state_but_runs(days: Days) -> dict[str, list[Any]]:
    """What all tables hold but pipeline_runs."""
    with reading(days.database) as connection:
        names = {name for (name,) in connection.sql("SHOW TABLES").fetchall()}
        assert names > set(TABLES)
        return {
            name: connection.sql(f"FROM {name} ORDER BY ALL").fetchall()
            for name in names - {"pipeline_runs"}
        }


def test_a_refusal_is_noted_and_touches_nothing_else(loaded: Days) -> None:
    days = loaded
    before = state_but_runs(days)
    days.write("1.csv", csv_text([row("2024-01-02T00:00:00Z"), row("never")]))
    with pytest.raises(RunError, match="has changed since it was loaded"):
        days.update(2)
    assert state_but_runs(days) == before
    assert [item.name for item in days.database.parent.iterdir() if item.is_file()] == [
        days.database.name
    ]


def test_a_refusal_that_can_t_be_noted_says_so(loaded: Days) -> None:
    days = loaded
    days.write("1.csv", csv_text([]))
    with locked(days.database), pytest.raises(RunError, match="has changed") as raised:
        days.update(2)
    told = str(clear_message(raised.value))
    assert told.endswith("No table was touched. Nor can pipeline_runs say so")
    assert days.ask("SELECT run_id FROM pipeline_runs") == [("run_1",)]


def test_a_file_that_was_only_written_anew_has_not_changed(
    days: Days, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    days.write("1.csv", large)
    days.update(1)
    before = state_but_runs(days)
    path = days.folder / "1.csv"
    os.utime(path, ns=(7, 1_700_000_000_000_000_007))
    read: list[str] = []

    def watched(path: str, size: int) -> int:
        read.append(path)
        return checksum_of(path, size)

    monkeypatch.setattr("pipeline.inputs.loaded_inputs.checksum_of", watched)
    days.update(2)
    # Once to compare, once more under the lock, and once to note it.
    assert read == [str(path)] * 3
    (noted,) = days.ask("SELECT fingerprint FROM loaded_files")
    assert noted[0].startswith("1700000000000000007 ")
    after = state_but_runs(days)
    assert days.ask("SELECT run_id FROM loaded_files") == [("run_1",)]
    assert {**after, "loaded_files": []} == {**before, "loaded_files": []}
    kept = days.database.read_bytes()
    days.update(3)
    assert len(read) == 3
    assert days.database.read_bytes() == kept
    days.write("2.csv", csv_text([row("2024-01-03T00:00:00Z")]))
    os.utime(path, ns=(7, 1_700_000_000_000_000_008))
    days.update(4)
    assert days.ask("SELECT count(*) FROM loaded_files WHERE run_id = 'run_4'") == [(1,)]
    (noted,) = days.ask("SELECT fingerprint FROM loaded_files WHERE run_id = 'run_1'")
    assert noted[0].startswith("1700000000000000008 ")


def test_a_byte_that_no_sample_sees_is_a_change(days: Days, large: bytes) -> None:
    text = bytearray(large)
    days.write("1.csv", bytes(text))
    days.update(1)
    path = days.folder / "1.csv"
    sample = fingerprint(local_file(str(path))).split(" ")[1]
    at = len(text) // 2 + 5_000
    text[at] = ord("0") + (text[at] + 1) % 10
    days.write("1.csv", bytes(text))
    assert fingerprint(local_file(str(path))).split(" ")[1] == sample
    with pytest.raises(RunError, match="has changed since it was loaded"):
        days.update(2)


@pytest.mark.parametrize("by_beam", some([False, True], 1))
def test_files_that_are_loaded_again_bring_no_event_and_no_dead_letter_twice(
    days: Days, capsys: pytest.CaptureFixture[str], by_beam: bool
) -> None:
    """As after a rebuild of tables that knew no files."""
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z"), row("never"), row("yesterday")]))
    days.update(1)
    with duckdb.connect(str(days.database)) as connection:
        connection.execute("DELETE FROM loaded_files")
        connection.execute("DELETE FROM dead_letter_events WHERE payload LIKE 'yesterday%'")
    before = contents(days.database)
    capsys.readouterr()
    days.update(2, by_beam=by_beam)
    told = capsys.readouterr().out
    assert "3 input rows = 0 events + 1 duplicate + 2 dead letters" in told
    assert "1 dead letter of these the table had already" in told
    after = contents(days.database)
    for name in set(TABLES) - {"dead_letter_events"}:
        assert after[name].equals(before[name]), name
    assert days.ask("SELECT left(payload, 5) FROM dead_letter_events ORDER BY 1") == [
        ("never",),
        ("yeste",),
    ]


@pytest.mark.parametrize("by_beam", [False, True])
def test_a_file_that_can_t_be_read_holds_back_the_others_and_says_so(
    loaded: Days, by_beam: bool
) -> None:
    days = loaded
    days.write("2.csv", b"a,b\n1,2\n")
    days.write("3.csv", csv_text([row("2024-01-03T00:00:00Z")]))
    with pytest.raises(Exception, match="its header is another") as raised:
        days.update(2, by_beam=by_beam)
    told = str(clear_message(raised.value))
    assert "2.csv" in told
    assert told.endswith("but pipeline_runs: none of the 2 new files was loaded")
    assert days.ask("SELECT count(*) FROM fct_events") == [(1,)]
    assert days.ask("SELECT message FROM pipeline_runs WHERE run_id = 'run_2'") == [(told,)]


def test_too_many_dead_letters_leave_the_tables_alone(loaded: Days) -> None:
    days = loaded
    before = contents(days.database)
    days.write("2.csv", csv_text([row("2024-01-02T00:00:00Z"), row("never")]))
    with pytest.raises(Exception, match="dead letters") as raised:
        days.update(2, max_dead_letter_pct=49.0, quality="enforce")
    told = str(clear_message(raised.value))
    assert "No table was touched but data_quality_results, where run_id 'run_2' holds" in told
    assert told.endswith("the results of all checks, and pipeline_runs")
    after = contents(days.database)
    assert all(after[name].equals(before[name]) for name in TABLES)
    assert days.ask("SELECT outcome FROM pipeline_runs WHERE run_id = 'run_2'") == [("failed",)]
    # The next run takes it for new.
    assert days.ask("SELECT parse_filename(path) FROM loaded_files") == [("1.csv",)]


def test_a_clock_that_steps_back_writes_rows_later_all_the_same(days: Days) -> None:
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z")]))
    days.update(9)
    days.write("2.csv", csv_text([row("2023-12-31T23:50:00Z")]))
    days.update(1)
    found = days.ask("SELECT event_sequence_in_session FROM fct_events ORDER BY event_time")
    assert found == [(1,), (2,)]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TABLE user_timelines", "has no table user_timelines"),
        ("DELETE FROM fct_events", "0 events in fct_events and counts 1"),
        ("DELETE FROM growth_counters", "1 events in fct_events and counts 0"),
        ("DELETE FROM user_timelines", "1 users in dim_users and 0 in user_timelines"),
    ],
)
def test_tables_without_their_state_are_to_be_rebuilt(
    loaded: Days, statement: str, told: str
) -> None:
    days = loaded
    with duckdb.connect(str(days.database)) as connection:
        connection.execute(statement)
    days.write("2.csv", csv_text([row("2024-01-02T00:00:00Z")]))
    with pytest.raises(RunError, match=told) as raised:
        days.update(2)
    assert "rebuild" in str(raised.value)


def test_other_active_types_than_those_of_the_tables_are_refused(days: Days) -> None:
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z", kind="like")]))
    only_likes = Asked(AskedFigures(("like",)))
    days.update(1, only_likes)
    days.write("2.csv", csv_text([row("2024-01-02T00:00:00Z"), row("2024-01-03T00:00:00Z")]))
    with pytest.raises(OptionError, match="the tables were built with like"):
        days.update(2, Asked(AskedFigures(("share",))))
    days.update(3)
    assert days.ask("SELECT max(event_date)::TEXT FROM growth_metrics") == [("2024-01-03",)]
    (active,) = days.ask("SELECT sum(daily_active_users) FROM growth_metrics")
    assert active == (1,)


def test_the_command_loads_what_is_new(days: Days, tmp_path: Path) -> None:
    days.write("1.csv", csv_text([row("2024-01-01T00:00:00Z")]))
    allowed = ("--quality", CHECKED_THOROUGHLY, "--max_dead_letter_pct", "100")
    line = ("update", "--input", "events/*.csv", "--summary_file", "run.json", *allowed)
    assert command(*line, cwd=tmp_path).returncode == 0
    days.write("2.csv", csv_text([row("2024-01-01T00:10:00Z"), row("2024-01-01T00:00:00Z")]))
    days.write("3.csv", csv_text([spoilt(row("2024-01-02T00:00:00Z"))]))
    # Beam, which takes a second to import, is not looked at.
    (tmp_path / "apache_beam.py").write_text("raise SystemExit('Beam is imported')")
    run = command(*line, cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert run.returncode == 0, run.stderr
    assert "3 input rows = 1 event + 1 duplicate + 1 dead letter" in run.stdout
    assert (
        '"files": {\n    "new": 2,\n    "loaded_before": 1\n  }'
        in (tmp_path / "run.json").read_text()
    )
    edit = ("replay", "--edit", "s/_APP//", "--quality", CHECKED_THOROUGHLY)
    run = command(*edit, cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert run.returncode == 0, run.stderr
    assert "1 corrected record = 1 new event + 0 duplicates" in run.stdout


@thorough
def test_several_processes_share_an_update(tmp_path: Path, days: Days, lines: list[bytes]) -> None:
    first, second = parted(lines, 2)
    days.write("1.csv", first)
    days.update(1)
    shutil.copy(days.database, tmp_path / "other.duckdb")
    days.write("2.csv", second)
    days.update(2)
    run = command(
        *("update", "--input", "events/*.csv", "--warehouse", "duckdb:///other.duckdb"),
        *("--direct_num_workers", "2", "--direct_running_mode", "multi_processing"),
        *("--user_shards", "7"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    ours, theirs = contents(days.database), contents(tmp_path / "other.duckdb")
    assert all(ours[name].equals(theirs[name]) for name in TABLES)
