"""Events whose source says which each is: batches, updates, streams and replays agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage

from pipeline.warehouse import open_warehouse
from tests.support.dead_letters import run_replay
from tests.support.in_process import command_here, start
from tests.support.reading import reading
from tests.support.runs import contents
from tests.support.streams import run_stream, stream_of
from tests.support.thorough import some
from tests.support.updates import Home
from transforms.kernels.messages import Message
from transforms.marts.registry import TABLES
from transforms.rules.rules_file import read_rules

RULES = """\
[columns]
event_time = "at"
user_id = "who"
event_type = "what"
miles_amount = "total"
platform = {constant = "Web"}
event_id = ["id", "old.id"]
[values.event_type]
Bought = "miles_earned"
Viewed = "like"
"""
READ = read_rules(RULES.encode(), "rules.toml")
MARTS = sorted(set(TABLES) - {"dead_letter_events", "data_quality_results"})
Row = Mapping[str, Any]


def bought(name: str | None, at: str, total: int, who: str = "ann") -> Row:
    """A purchase; `name` is its id, and None for none."""
    found = {"at": f"2025-07-{at}Z", "who": who, "what": "Bought", "total": str(total)}
    return found if name is None else {**found, "id": name}


# Two equal purchases in one second; one id of two users; an id in the other field; none; and two
# of one session over midnight.
FIRST = [
    bought("a1", "01T10:00:00", 5),
    bought("a2", "01T10:00:00", 5),
    bought("a1", "01T10:00:00", 7, who="bob"),
    {**bought(None, "01T11:00:00", 6), "old": {"id": "a3"}},
    bought(None, "01T12:00:00", 8),
    bought("a4", "02T23:50:00", 9),
    bought("a5", "03T00:05:00", 9),
]
# Repeated as they were: also across dates, and blank ones.
AGAIN = [FIRST[0], FIRST[4], FIRST[5], {**FIRST[3], "id": "a3"}]
# The same with other values: another amount, another time of the date, another date, another one
# before the first one. Each beside what is new.
OTHERWISE = [
    bought("a1", "01T10:00:00", 50),
    bought("a4", "02T23:51:00", 9),
    bought("a5", "09T00:00:00", 9),
    bought("a3", "01T00:00:00", 1),
    bought("a2", "20T10:00:00", 5),
]
NEW = [
    bought("b1", "01T10:10:00", 5),
    bought("b2", "04T10:00:00", 5),
    bought("b3", "09T01:00:00", 5),
]
# Of what comes in one run the earliest is the first.
TOGETHER = [
    bought("c1", "11T10:00:01", 3),
    bought("c1", "11T10:00:00", 2),
    bought("c1", "12T10:00:00", 1),
]


def lines(rows: Iterable[Row]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def in_file(folder: Path, name: str, rows: Iterable[Row]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text(lines(rows))
    return str(path)


def begun(folder: Path, rows: Sequence[Row], *options: str) -> Path:
    """Tables of a batch by the rules."""
    folder.mkdir(exist_ok=True)
    rules, database = folder / "rules.toml", folder / "g.duckdb"
    rules.write_text(RULES)
    path = in_file(folder, "first", rows)
    home = f"duckdb:///{database}"
    given = ("--rules", str(rules), "--warehouse", home, "--max_dead_letter_pct", "100")
    start("batch", "--input", path, *given, *options)
    return database


def updated(database: Path, rows: Sequence[Row], *options: str) -> None:
    files = len(list(database.parent.glob("*.jsonl")))
    path = in_file(database.parent, f"more {files}", rows)
    home = f"duckdb:///{database}"
    start("update", "--input", path, "--warehouse", home, "--max_dead_letter_pct", "100", *options)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a batch over what stays of all rows."""
    folder = tmp_path_factory.mktemp("stays")
    return contents(begun(folder, [*FIRST, *NEW, TOGETHER[1]]))


def unlike(database: Path, expected: dict[str, Any]) -> list[str]:
    found = contents(database)
    return [name for name in MARTS if not found[name].equals(expected[name])]


def letters(database: Path) -> list[tuple[str, str]]:
    """The source's ids of conflicting events, and what they differ in."""
    with reading(database) as connection:
        found = connection.execute(
            "SELECT error_type, error_message, payload FROM dead_letter_events"
        ).fetchall()
    assert {error_type for error_type, _, _ in found} <= {"conflicting_event"}
    return sorted((payload.rpartition(",")[2], payload.split(",")[0]) for _, _, payload in found)


CONFLICTS = sorted((row["id"], row["at"]) for row in [*OTHERWISE, TOGETHER[0], TOGETHER[2]])


def test_updates_leave_what_is_stored_and_come_to_a_batch(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    database = begun(tmp_path, FIRST)
    updated(database, [*AGAIN, *OTHERWISE[:2]])
    updated(database, [*OTHERWISE[2:], *NEW, *TOGETHER])
    assert unlike(database, expected) == []
    assert letters(database) == CONFLICTS


@pytest.mark.parametrize("options", some([(), ("--runner", "FnApiRunner")], 1))
def test_a_batch_leaves_the_earliest_in_any_order(tmp_path: Path, options: Sequence[str]) -> None:
    rows = [*OTHERWISE[1:], *TOGETHER, *NEW, *AGAIN, *FIRST]
    stays = [*FIRST[:3], OTHERWISE[3], *FIRST[4:], *NEW, TOGETHER[1]]
    conflicts = [OTHERWISE[1], OTHERWISE[2], OTHERWISE[4], TOGETHER[0], TOGETHER[2]]
    kept = sorted((row["id"], row["at"]) for row in conflicts)
    expected = contents(begun(tmp_path / "stays", stays))
    for name, order in (("as they are", rows), ("turned", rows[::-1])):
        database = begun(tmp_path / name, order, *options)
        assert unlike(database, expected) == []
        assert letters(database) == sorted([*kept, *[("a3", "2025-07-01T11:00:00Z")] * 2])


def test_an_update_by_beam_does_the_same(tmp_path: Path, expected: dict[str, Any]) -> None:
    database = begun(tmp_path, FIRST)
    rows = [*AGAIN, *OTHERWISE, *NEW, *TOGETHER]
    updated(database, rows, "--runner", "FnApiRunner")
    assert unlike(database, expected) == []
    assert letters(database) == CONFLICTS


def messages(rows: Sequence[Row]) -> list[Message]:
    return [Message(json.dumps(row).encode(), {}, str(at)) for at, row in enumerate(rows)]


def test_a_stream_on_this_machine_does_the_same(tmp_path: Path, expected: dict[str, Any]) -> None:
    database = begun(tmp_path, FIRST)
    came = messages([*AGAIN, *OTHERWISE, *NEW, *TOGETHER])
    with Home(open_warehouse(f"duckdb:///{database}")).streaming(rules=READ) as batches:
        batches.take_in(came[:7])
        batches.take_in(came[7:])
        # What was not acknowledged comes again.
        batches.take_in(came)
    assert unlike(database, expected) == []
    assert letters(database) == CONFLICTS


@pytest.mark.parametrize("is_warm", some([True, False], 1))
def test_the_streaming_graph_does_the_same(
    tmp_path: Path, expected: dict[str, Any], is_warm: bool
) -> None:
    database = tmp_path / "g.duckdb"
    rounds = [FIRST, [*AGAIN, *OTHERWISE[:2]], [*OTHERWISE[2:], *NEW, *TOGETHER]]
    if is_warm:
        begun(tmp_path, rounds.pop(0))
    stream = stream_of(
        [
            [PubsubMessage(m.data, {}, f"{at} {m.message_id}") for m in messages(rows)]
            for at, rows in enumerate(rounds)
        ]
    )
    run_stream(stream, database, rules=READ)
    assert unlike(database, expected) == []
    assert letters(database) == CONFLICTS


def test_a_rebuild_keeps_ids(tmp_path: Path, expected: dict[str, Any]) -> None:
    database = begun(tmp_path, [*FIRST, *NEW, TOGETHER[1]])
    for options in ((), ("--runner", "FnApiRunner")):
        start("rebuild", "--warehouse", f"duckdb:///{database}", *options)
        assert unlike(database, expected) == []
    updated(database, [*AGAIN, *OTHERWISE])
    assert unlike(database, expected) == []


def test_conflicting_events_are_replayed_with_another_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = begun(tmp_path, FIRST)
    updated(database, OTHERWISE)
    before = letters(database)
    # As they came they contradict the same events again.
    capsys.readouterr()
    run_replay(database)
    shown = " ".join(capsys.readouterr().out.split())
    number = len(before)
    assert f"{number} dead letters = 0 passed + {number} failed again + 0 not tried" in shown
    assert f"= {len(FIRST)} events + 0 duplicates + {number} dead letters" in shown
    assert letters(database) == before == sorted((row["id"], row["at"]) for row in OTHERWISE)
    run_replay(database, "--edit", "s/,a\\([0-9]\\)$/,z\\1/")
    assert letters(database) == []
    others = [{**row, "id": row["id"].replace("a", "z")} for row in OTHERWISE]
    expected = contents(begun(tmp_path / "all", [*FIRST, *others]))
    assert unlike(database, expected) == []
    # Corrections last: a batch over the same files reads them.
    start("batch", "--input", str(tmp_path / "*.jsonl"), "--warehouse", f"duckdb:///{database}")
    assert letters(database) == []
    assert unlike(database, expected) == []


def test_a_corrected_record_has_the_id_of_its_source(tmp_path: Path) -> None:
    spoilt = {**FIRST[1], "what": "bought"}
    rows = [FIRST[0], spoilt, *FIRST[2:]]
    database = begun(tmp_path, rows)
    run_replay(database, "--edit", 's/"bought"/"Bought"/')
    assert letters(database) == []
    good = contents(begun(tmp_path / "good", FIRST))
    assert unlike(database, good) == []
    updated(database, [FIRST[1], bought("a2", "01T10:00:00", 6)])
    assert letters(database) == [("a2", "2025-07-01T10:00:00Z")]
    # And so has the batch that reads the correction.
    start(
        *("batch", "--input", str(tmp_path / "first.jsonl")),
        *("--warehouse", f"duckdb:///{database}"),
    )
    assert unlike(database, good) == []


def test_who_lives_on_under_a_pseudonym_keeps_equal_events(tmp_path: Path) -> None:
    database = begun(tmp_path, FIRST)
    before = contents(database)
    (tmp_path / "ids.txt").write_text("ann\n")
    words = ("--user_ids", str(tmp_path / "ids.txt"), "--pseudonymise")
    start("forget", *words, "--warehouse", f"duckdb:///{database}")
    after = contents(database)
    assert after["fct_events"].num_rows == before["fct_events"].num_rows
    ids = [set(found["fct_events"]["event_id"].to_pylist()) for found in (before, after)]
    assert len(ids[1]) == len(FIRST)
    assert len(ids[0] & ids[1]) == 1
    same = {*MARTS} - {"fct_events", "dim_users", "users_with_negative_miles"}
    assert [name for name in sorted(same) if not after[name].equals(before[name])] == []


def test_events_of_people_keep_their_ids_when_these_are_known(tmp_path: Path) -> None:
    """Of ann and bob an id each is the same, and two events without one are equal but for that."""
    rows = [*FIRST, bought(None, "01T12:00:00", 8, who="bob")]
    database, people = begun(tmp_path, rows), tmp_path / "people.csv"
    words = ("--warehouse", f"duckdb:///{database}", "--people", str(people))
    people.write_text("anonymous_id,user_id\nann,bob\n")
    start("update", "--input", in_file(tmp_path, "more", [*NEW, *AGAIN, *OTHERWISE]), *words)
    assert len(letters(database)) == len(OTHERWISE)
    people.write_text("anonymous_id,user_id\nann,bob\nbob,cy\n")
    later = [*AGAIN, bought("a1", "01T10:00:00", 70, who="bob"), bought("d1", "09T10:00:00", 1)]
    start("update", "--input", str(tmp_path / "*.jsonl"), in_file(tmp_path, "z", later), *words)
    assert ("a1", "2025-07-01T10:00:00Z") in letters(database)
    as_it_is = contents(database)
    # A dead letter that is tried again as it is stays one.
    run_replay(database)
    assert unlike(database, as_it_is) == []
    assert len(letters(database)) == len(OTHERWISE) + 1
    expected = [*rows, *NEW, later[-1]]
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "rules.toml").write_text(RULES)
    start(
        *("batch", "--input", in_file(whole, "all", expected), "--people", str(people)),
        *("--rules", str(whole / "rules.toml"), "--warehouse", f"duckdb:///{whole}/g.duckdb"),
    )
    assert unlike(database, contents(whole / "g.duckdb")) == []


def test_rules_without_the_column_are_other_rules(tmp_path: Path) -> None:
    database = begun(tmp_path, FIRST)
    other = tmp_path / "other.toml"
    other.write_text(RULES.replace('event_id = ["id", "old.id"]\n', ""))
    path = in_file(tmp_path, "more", NEW)
    run = command_here(
        *("update", "--input", path, "--rules", str(other)),
        *("--warehouse", f"duckdb:///{database}"),
        cwd=tmp_path,
    )
    assert run.returncode == 2
    assert "columns.event_id" in run.stderr
