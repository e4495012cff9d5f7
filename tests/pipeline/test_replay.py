"""Replays: the tables end as a batch over the corrected input leaves them, and again is no more."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.launch.tables_built import settings_of_tables
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.support.dead_letters import run_replay
from tests.support.forgetting import fill, tables_from
from tests.support.runs import Run, command, comparable, contents, run_graph
from tests.support.strategies import broken_rows, valid_rows
from tests.support.streams import message, run_stream, stream_of
from tests.support.tables import NOW, Row, compute, csv_text, parse, row
from tests.support.thorough import examples
from transforms.active_event_types import ActiveEventTypes
from transforms.marts.registry import CORRECTIONS, TABLES
from transforms.vocabulary import EVENT_TYPES, SOURCE_COLUMNS

MARTS = [name for name in TABLES if name != "dead_letter_events"]
Tables = dict[str, pa.Table]


def spoilt(item: Row) -> dict[str, str]:
    """A row that `s/_APP//` corrects."""
    return {**item, "platform": f"{item['platform']}_APP"}


def build(
    folder: Path, rows: Sequence[Row], name: str = "events", active: Sequence[str] = EVENT_TYPES
) -> Path:
    """A warehouse of one file, as batch leaves it, made by the kernels alone."""
    source, database, types = folder / f"{name}.csv", folder / f"{name}.duckdb", tuple(active)
    source.write_bytes(csv_text(rows))
    (found,) = parse(source.read_bytes())
    warehouse, active_types = open_warehouse(f"duckdb:///{database}"), ActiveEventTypes(types)
    fill(warehouse, None, tables_from(found, str(source), active_types), active_types)
    return database


def computed(rows: Sequence[Row], active: Sequence[str] = EVENT_TYPES) -> Tables:
    """The marts of a batch over these rows, by the kernels alone."""
    tables = compute([part.events for part in parse(csv_text(rows))], active)
    return {
        name: comparable(name, table.cast(TABLES[name].arrow_schema))
        for name, table in tables.items()
    }


def unlike(left: Tables, right: Tables, names: Sequence[str] = tuple(TABLES)) -> list[str]:
    return [name for name in names if not left[name].equals(right[name])]


def payloads(tables: Tables) -> Counter[str]:
    return Counter(tables["dead_letter_events"]["payload"].to_pylist())


def dead_letters(database: Path) -> dict[str, dict[str, Any]]:
    """All columns of the dead letters, by payload."""
    table = open_warehouse(f"duckdb:///{database}").read(TABLES["dead_letter_events"])
    return {dead_letter["payload"]: dead_letter for dead_letter in table.to_pylist()}


def test_a_corrected_sample_ends_in_the_tables_of_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.replay.spool._PART_ROWS", 100)  # Several parts.
    source, corrected = tmp_path / "events.csv", tmp_path / "corrected.csv"
    write_sample(source, 6_000, 3)
    header, *lines = source.read_bytes().splitlines(keepends=True)
    bad = [
        line.replace(b",iOS,", b",IOS_APP,") if at % 3 == 0 else line
        for at, line in enumerate(lines)
    ]
    # Corrected, these are rows that are there already, and one of them twice.
    bad += [line.replace(b",iOS,", b",IOS_APP,") for line in lines[1:200]] * 2
    source.write_bytes(header + b"".join(bad))
    corrected.write_bytes(source.read_bytes().replace(b"IOS_APP", b"iOS"))
    ours = tmp_path / "ours.duckdb"
    run_graph([source], ours, Run(user_shards=5))
    run_graph([corrected], tmp_path / "theirs.duckdb")
    assert unlike(contents(ours), contents(tmp_path / "theirs.duckdb"), MARTS) == MARTS
    run_replay(ours, "--edit", "s/IOS_APP/iOS/")
    first = contents(ours)
    theirs = contents(tmp_path / "theirs.duckdb")
    assert unlike(first, theirs, MARTS) == []
    assert payloads(first) == payloads(theirs) != Counter()
    run_replay(ours, "--edit", "s/IOS_APP/iOS/")
    assert unlike(contents(ours), first) == []


# Four runs of the graph an example: shrinking a failure would take half an hour.
@settings(max_examples=examples(2, 10), phases=[Phase.explicit, Phase.generate])
@given(
    rows=st.lists(
        st.one_of(
            valid_rows.map(lambda item: (item, item)),
            valid_rows.map(lambda item: (spoilt(item), item)),
            broken_rows.map(lambda item: (item, item)),
        ),
        max_size=25,
    ),
    repeated=st.integers(0, 5),
    columns=st.permutations([*SOURCE_COLUMNS, "extra"]),
    active=st.sampled_from([("share", "like"), ("miles_earned",)]),
)
def test_any_letters_end_in_the_tables_of_batch(
    rows: list[tuple[Row, Row]], repeated: int, columns: list[str], active: tuple[str, ...]
) -> None:
    rows = rows + rows[:repeated]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for at, file in enumerate(("before", "after")):
            (folder / f"{file}.csv").write_bytes(csv_text([pair[at] for pair in rows], columns))
            run = Run(active_types=active)
            run_graph([folder / f"{file}.csv"], folder / f"{file}.duckdb", run)
        run_replay(folder / "before.duckdb", "--edit", "s/_APP//")
        ours, theirs = contents(folder / "before.duckdb"), contents(folder / "after.duckdb")
        # Whoever runs batch over the same file again does not lose what was corrected.
        run_graph([folder / "before.csv"], folder / "before.duckdb", run)
        again = contents(folder / "before.duckdb")
    assert unlike(ours, theirs, MARTS) == []
    assert payloads(ours) == payloads(theirs)
    assert unlike(again, theirs, MARTS) == []
    assert payloads(again) == payloads(theirs)


def test_what_is_not_meant_stays_as_it_is(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z") for day in range(1, 6)]
    rows = [good[0], spoilt(good[1]), {**good[2], "country": "SGP"}, row("never")]
    database = build(tmp_path, rows)
    before = dead_letters(database)
    run_replay(database, "--error_type", "bad_country", "missing_user_id", "--edit", "s/SGP/SG/")
    after = dead_letters(database)
    assert set(before) - set(after) == {"2024-01-03T00:00:00Z,ann,share,,,iOS,organic,SGP"}
    assert all(after[payload] == before[payload] for payload in after)
    assert unlike(contents(database), computed([good[0], good[2]]), MARTS) == []
    run_replay(database, "--since", (NOW + timedelta(seconds=1)).isoformat(), "--edit", "s/_APP//")
    assert dead_letters(database) == after
    run_replay(database, "--since", f"{NOW:%Y-%m-%d}", "--edit", "s/_APP//")
    assert list(dead_letters(database)) == ["never,ann,share,,,iOS,organic,SG"]


def test_letters_that_fail_again_stay_with_their_tries(tmp_path: Path) -> None:
    good = row("2024-01-01T00:00:00Z")
    database = build(tmp_path, [spoilt(good), {**spoilt(good), "country": "SGP"}, row("never")])
    before = dead_letters(database)
    for tries, edit in ((1, "s/_APP//"), (1, "s/_APP//"), (2, "s/SGP/S/")):
        run_replay(database, "--error_type", "unknown_platform", "--edit", edit)
        (failed, untouched) = sorted(
            dead_letters(database).values(), key=lambda item: item["payload"]
        )
        assert untouched == before["never,ann,share,,,iOS,organic,SG"]
        assert json.loads(failed["attributes"])["replay_tries"] == tries
        assert {**failed, "attributes": None} == before[failed["payload"]]
    run_replay(database, "--edit", "s/_APP//;s/SGP/SG/")
    assert [item["payload"] for item in dead_letters(database).values()] == [untouched["payload"]]
    assert open_warehouse(f"duckdb:///{database}").count(TABLES["fct_events"]) == 1


def test_a_corrected_file_ends_in_the_tables_of_batch(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z", user) for day in (1, 2) for user in ("ann", "bob")]
    bad = [{**item, "event_type": "shared"} for item in good]
    text = csv_text([*good[:1], *bad]) + b'2024-01-09T00:00:00Z,"cy,share,,,Web,,\nx,y\n'
    (tmp_path / "events.csv").write_bytes(text)
    database, file = tmp_path / "events.duckdb", tmp_path / "dead_letters.csv"
    run_graph([tmp_path / "events.csv"], database)
    run_replay(database, "--output", str(file))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        sheet = list(csv.DictReader(opened))
    for line in sheet:
        line["event_type"] = line["event_type"].replace("shared", "share")
        line["payload"] = line["payload"].replace('"', "")
    kept = [line for line in sheet if line["user_id"] != "bob"]
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, sheet[0])
        writer.writeheader()
        writer.writerows(kept)
    run_replay(database, "--input", str(file))
    last = row("2024-01-09T00:00:00Z", "cy", platform="Web", source="", country="")
    theirs = computed([good[0], good[0], good[2], last])
    assert unlike(contents(database), theirs, MARTS) == []
    # Of bob's two letters nobody said anything; the last one was tried as it came.
    tries = {name: item["attributes"] for name, item in dead_letters(database).items()}
    assert [name for name, attributes in tries.items() if attributes] == ["x,y"]
    assert len(tries) == 3
    before = contents(database)
    run_replay(database, "--input", str(file))  # Again: of its rows one has a dead letter still.
    assert unlike(contents(database), before, list(TABLES)) == []


def test_letters_of_a_stream_pass_in_a_rebuild(tmp_path: Path) -> None:
    rows = [
        row("2025-12-31T10:00:00Z"),
        row("2024-01-01T10:00:00Z"),  # Too late for a horizon of a week.
        row("2025-12-31T10:10:00Z", platform="fax"),
        row("2025-12-31T10:20:00Z", kind="miles_earned", amount="1.5"),
    ]
    bundles = [[message(item, number) for number, item in enumerate(rows)]]
    database = tmp_path / "stream.duckdb"
    run_stream(stream_of(bundles), database, late_horizon_days=7)
    assert len(dead_letters(database)) == 3
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP TABLE warehouse_settings")  # As of a version that noted nothing.
    with pytest.raises(OptionError, match="--active_event_types is needed"):
        run_replay(database, "--edit", "s/fax/Web/")
    every = ("--active_event_types", ",".join(EVENT_TYPES))
    run_replay(database, "--edit", "s/fax/Web/", *every)
    theirs = computed([*rows[:2], {**rows[2], "platform": "Web"}])
    assert unlike(contents(database), theirs, MARTS) == []
    ((payload, dead_letter),) = dead_letters(database).items()
    assert json.loads(payload) == rows[3]
    assert dead_letter["position"] == "id 3"
    assert json.loads(dead_letter["attributes"])["replay_tries"] == 1


def test_the_active_event_types_are_those_of_the_tables(tmp_path: Path) -> None:
    good = [row("2024-01-01T00:00:00Z"), row("2024-01-02T00:00:00Z", "bob", "like")]
    database = build(tmp_path, [good[0], spoilt(good[1])], active=("like",))
    with pytest.raises(OptionError, match=r"share: the tables were built with like, which"):
        run_replay(database, "--edit", "s/_APP//", "--active_event_types", "share")
    run_replay(database, "--edit", "s/_APP//", "--active_event_types", "like")
    assert unlike(contents(database), computed(good, ("like",)), MARTS) == []
    assert dead_letters(database) == {}
    noted = settings_of_tables(open_warehouse(f"duckdb:///{database}"))
    assert noted == {"active_event_types": "like"}


def corrections(database: Path) -> list[dict[str, Any]]:
    return list(open_warehouse(f"duckdb:///{database}").read(CORRECTIONS).to_pylist())


def test_a_correction_outlives_later_runs_until_somebody_removes_it(tmp_path: Path) -> None:
    good = [row(f"2024-01-0{day}T00:00:00Z", f"u{day}") for day in range(1, 5)]
    spoilt_twice = {**spoilt(good[2]), "country": "SGP"}
    rows = [good[0], spoilt(good[1]), spoilt_twice, {**good[3], "event_time": "never"}]
    database = build(tmp_path, rows)
    run_replay(database, "--edit", "s/_APP//;s/SGP/SG/")
    (first, second) = sorted(corrections(database), key=lambda correction: correction["user_id"])
    assert {name: second[name] for name in SOURCE_COLUMNS} == good[2]
    assert (first["error_type"], first["source"]) == (
        "unknown_platform",
        str(tmp_path / "events.csv"),
    )
    # More rows behind those that are there, and another file.
    (tmp_path / "events.csv").write_bytes(csv_text([*rows, spoilt(good[3])]))
    (tmp_path / "more.csv").write_bytes(csv_text([row("2024-01-05T00:00:00Z", "u5")]))
    paths = [tmp_path / "events.csv", tmp_path / "more.csv"]
    for _ in range(2):
        run_graph(paths, database)
        users = contents(database)["dim_users"]["user_id"].to_pylist()
        assert sorted(users) == ["u1", "u2", "u3", "u5"]
        assert len(dead_letters(database)) == 2
    # A record that was changed is not the one that was corrected; nor is one that is right now.
    changed = [good[0], {**spoilt(good[1]), "user_id": "x"}, good[2]]
    (tmp_path / "events.csv").write_bytes(csv_text(changed))
    tables = run_graph([tmp_path / "events.csv"], database)
    assert sorted(tables["dim_users"]["user_id"].to_pylist()) == ["u1", "u3"]
    assert len(dead_letters(database)) == 1
    (tmp_path / "events.csv").write_bytes(csv_text(rows))
    with duckdb.connect(str(database)) as connection:
        connection.execute("DELETE FROM dead_letter_corrections WHERE user_id = 'u2'")
    run_graph([tmp_path / "events.csv"], database)
    assert sorted(item["error_type"] for item in dead_letters(database).values()) == [
        "bad_event_time",
        "unknown_platform",
    ]


def test_a_correction_that_does_not_pass_any_more_leaves_its_letter(tmp_path: Path) -> None:
    good = [row("2024-01-01T00:00:00Z", "ann"), row("2024-01-02T00:00:00Z", "bob")]
    database = build(tmp_path, [good[0], spoilt(good[1])])
    before = dead_letters(database)
    run_replay(database, "--edit", "s/_APP//")
    with duckdb.connect(str(database)) as connection:  # As if the rules had changed since.
        connection.execute("UPDATE dead_letter_corrections SET country = 'SGP'")
    run_graph([tmp_path / "events.csv"], database)
    assert dead_letters(database) == before
    run_replay(
        database, "--edit", "s/_APP//"
    )  # The newer correction takes the place of the older one.
    run_graph([tmp_path / "events.csv"], database)
    assert dead_letters(database) == {}
    assert [correction["country"] for correction in corrections(database)] == ["SG"]


def test_what_passes_as_it_came_needs_no_correction(tmp_path: Path) -> None:
    tomorrow = row(f"{NOW + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}")
    database = build(tmp_path, [row("2024-01-01T00:00:00Z"), tomorrow])
    assert len(dead_letters(database)) == 1
    run_replay(database)  # Its day has come.
    assert dead_letters(database) == {}
    assert corrections(database) == []


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A warehouse with an event and a dead letter."""
    return build(tmp_path, [row("2024-01-01T00:00:00Z"), spoilt(row("2024-01-02T00:00:00Z"))])


def test_a_dry_run_tells_and_writes_nothing(kept: Path) -> None:
    before = kept.read_bytes()
    dry = ("replay", "--warehouse", f"duckdb:///{kept}", "--dry_run", "--edit")
    run = command(*dry, "s/iOS_APP/Android/", cwd=kept.parent)
    assert (run.returncode, run.stderr) == (0, "")
    for part in (
        "A dry run: nothing was written",
        "1 dead letter = 1 passed + 0 failed again + 0 not tried",
        "2024-01-02T00:00:00Z,ann,share,,,iOS_APP,organic,SG",
        "2024-01-02T00:00:00Z,ann,share,,,Android,organic,SG",
    ):
        assert part in run.stdout
    run = command(*dry, "s/iOS_APP/Symbian/", cwd=kept.parent)
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
    run_graph([tmp_path / "events.csv"], tmp_path / "growth.duckdb")
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
