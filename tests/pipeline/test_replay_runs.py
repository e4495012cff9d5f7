"""What a replay says, writes and refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import RunError, clear_message
from pipeline.warehouse import open_warehouse
from tests.support.dead_letters import run_replay
from tests.support.in_process import command_here
from tests.support.replays import (
    MARTS,
    build,
    computed,
    dead_letters,
    spoilt,
    unlike,
)
from tests.support.runs import contents, run_batch
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, csv_text, row
from tests.support.thorough import thorough
from transforms.marts.registry import TABLES


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A warehouse with an event and a dead letter."""
    return build(tmp_path, [row("2024-01-01T00:00:00Z"), spoilt(row("2024-01-02T00:00:00Z"))])


def test_a_dry_run_tells_and_writes_nothing(kept: Path) -> None:
    before = kept.read_bytes()
    dry = ("replay", "--warehouse", f"duckdb:///{kept}", "--dry_run", "--edit")
    run = command_here(*dry, "s/iOS_APP/Android/", cwd=kept.parent)
    assert (run.returncode, run.stderr) == (0, "")
    for part in (
        "A dry run: nothing was written",
        "1 dead letter = 1 passed + 0 failed again + 0 not tried",
        "2024-01-02T00:00:00Z,ann,share,,,iOS_APP,organic,SG",
        "2024-01-02T00:00:00Z,ann,share,,,Android,organic,SG",
    ):
        assert part in run.stdout
    run = command_here(*dry, "s/iOS_APP/Symbian/", cwd=kept.parent)
    assert "fails: unknown_platform: platform 'Symbian'" in run.stdout
    assert kept.read_bytes() == before
    assert sorted(path.name for path in kept.parent.iterdir()) == ["events.csv", "events.duckdb"]


def test_the_sum_of_a_replay_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = row("2024-01-01T00:00:00Z")
    rows = [good, good, spoilt(good), spoilt(row("2024-01-02T00:00:00Z")), row("never"), row("no")]
    database = build(tmp_path, rows)
    summary = tmp_path / "replay.json"
    words = ("--quality", "enforce", "--summary_file", str(summary))
    run_replay(database, "--edit", "s/_APP//;s/^no,/2,/", *words)
    printed = capsys.readouterr().out
    assert "2 corrected records = 1 new event + 1 duplicate" in printed
    assert "1 event + 4 dead letters before = 2 events + 1 duplicate + 2 dead letters" in printed
    assert "4 dead letters = 2 passed + 2 failed again + 0 not tried" in printed
    assert "2 corrections kept in dead_letter_corrections" in printed
    assert "bad_event_time" in printed.split("Failed again")[1]
    assert "event_time 'never'" in printed and "never,ann,share,,,iOS,organic,SG" in printed
    assert "  checks  " in printed
    assert " passed" in printed.split("  checks  ")[1].splitlines()[0]
    report = json.loads(summary.read_text())
    assert (report["dead_letters"], report["tried"], report["passed"]) == (
        4,
        4,
        {"unknown_platform": 2},
    )
    assert report["failed_again"] == [
        {"error_type": "bad_event_time", "now": "bad_event_time", "dead_letters": 2}
    ]
    assert report["before"] == {"events": 1, "dead_letters": 4}
    assert report["after"] == {"events": 2, "dead_letters": 2}
    assert report["tables"]["fct_events"] == report["events"] == 1
    run_replay(database, "--error_type", "too_late")
    assert "Nothing to replay: of 2 dead letters none is meant" in capsys.readouterr().out


@thorough
def test_events_that_came_too_late_for_a_stream_are_taken_in_once_it_has_stopped(
    tmp_path: Path,
) -> None:
    rows = [row((NOW - timedelta(days=days)).isoformat()) for days in (1, 30, 2)]
    messages = [message(event, number) for number, event in enumerate(rows)]
    run_stream(stream_of([messages]), tmp_path / "live.duckdb", late_horizon_days=7)
    database = tmp_path / "live.duckdb"
    assert contents(database)["dead_letter_events"]["error_type"].to_pylist() == ["too_late"]
    run_replay(database, "--stream_stopped")
    expected = computed(rows)
    assert unlike(contents(database), expected, tuple(expected)) == []
    assert contents(database)["dead_letter_events"].num_rows == 0


def test_without_letters_there_is_nothing_to_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_replay(build(tmp_path, [row("2024-01-01T00:00:00Z")]))
    assert "events.duckdb has no dead letters" in capsys.readouterr().out


def test_a_letter_of_half_a_record_is_never_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its columns are all within the beginning, and yet nobody knows what the rest said.
    long = csv_text([row("2024-01-01T00:00:00Z")]).split(b"\n")
    text = long[0] + b",note\n" + long[1] + b"," + b"x" * 10_000_000 + b"\n"
    (tmp_path / "events.csv").write_bytes(text)
    run_batch([tmp_path / "events.csv"], tmp_path / "growth.duckdb")
    before = contents(tmp_path / "growth.duckdb")
    run_replay(tmp_path / "growth.duckdb")
    assert "1 dead letter can never pass" in capsys.readouterr().out
    assert unlike(contents(tmp_path / "growth.duckdb"), before) == []


def test_a_replay_that_fails_leaves_the_tables_alone(tmp_path: Path) -> None:
    earned = [row(f"2024-01-0{day}T00:00:00Z", "ann", "miles_earned") for day in (1, 2)]
    database = build(tmp_path, [earned[0], spoilt(earned[1])])
    with duckdb.connect(str(database)) as connection:
        connection.execute("UPDATE user_timelines SET timeline = '\\x63'::BLOB")
    before = contents(database)
    with pytest.raises(Exception, match=r"timeline of user .ann. is stored in bytes") as raised:
        run_replay(database, "--edit", "s/_APP//")
    assert "build the tables again" in str(clear_message(raised.value))
    with pytest.raises(RunError, match="gave back 0 records for 1"):
        run_replay(database, "--edit", "d")
    assert unlike(contents(database), before) == []
    assert not list(tmp_path.glob("*.staging-*"))


def test_a_replay_writes_only_what_changes(tmp_path: Path) -> None:
    good = [row("2024-01-01T00:00:00Z", user) for user in ("ann", "bob")]
    late = row("2023-12-31T23:50:00Z", "ann")
    database = build(tmp_path, [*good, spoilt(late), row("never")])
    with duckdb.connect(str(database)) as connection:
        stays = "SELECT * FROM {} WHERE user_id = 'bob'"
        kept = {
            table: connection.sql(stays.format(table)).fetchall()
            for table in ("fct_events", "dim_users", "user_timelines")
        }
    run_replay(database, "--edit", "s/_APP//")
    assert unlike(contents(database), computed([*good, late]), MARTS) == []
    with duckdb.connect(str(database)) as connection:
        for table, rows in kept.items():
            assert connection.sql(stays.format(table)).fetchall() == rows
        # The event that now is the second of its session is rewritten, the one before it is new.
        order = "SELECT event_sequence_in_session FROM fct_events WHERE user_id = 'ann' ORDER BY 1"
        assert connection.sql(order).fetchall() == [(1,), (2,)]
    assert list(dead_letters(database)) == ["never,ann,share,,,iOS,organic,SG"]


def test_a_warehouse_without_state_is_led_to_rebuild(kept: Path) -> None:
    before = contents(kept)
    with duckdb.connect(str(kept)) as connection:
        connection.execute("DROP TABLE user_timelines")
    with pytest.raises(RunError, match=r"has no table user_timelines: .* rebuild --warehouse"):
        run_replay(kept, "--edit", "s/_APP//")
    assert unlike(contents(kept), before) == []


def test_a_replay_keeps_other_runs_out_and_is_kept_out(kept: Path) -> None:
    warehouse = open_warehouse(f"duckdb:///{kept}")
    with (
        warehouse.lock(tuple(TABLES.values()), None, "other"),
        pytest.raises(RunError, match="another run is writing"),
    ):
        run_replay(kept, "--edit", "s/_APP//")
