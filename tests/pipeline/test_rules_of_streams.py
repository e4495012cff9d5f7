"""Messages by rules, in both kinds of stream: as plain messages, and behind a batch by rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage

from pipeline.commands.stream import _by_rules
from pipeline.errors import OptionError
from pipeline.graphs.streaming_graph import StreamJob
from pipeline.launch.rules_of_run import note_of
from pipeline.warehouse import open_warehouse
from tests.pipeline.test_rules import RULES, nested, shop_rows
from tests.support.dead_letters import run_replay
from tests.support.in_process import command_here
from tests.support.reading import reading
from tests.support.runs import contents
from tests.support.streams import run_stream, stream_of
from tests.support.tables import NOW, csv_text, row
from tests.support.updates import Home
from transforms.figure_settings import FigureSettings
from transforms.kernels.messages import Message
from transforms.marts.registry import TABLES
from transforms.rules.rules_file import read_rules
from transforms.state import warehouse_settings

SHOP = read_rules(RULES.encode(), "rules.toml")
TYPES = FigureSettings.among(("Viewed",))
MARTS = sorted(set(TABLES) - {"dead_letter_events", "data_quality_results"})


def days(day: int) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The shop's rows of a day, and each as a row of ours; of a year that is over."""
    return [
        (
            {**item, "at": item["at"].replace("2026", "2025")},
            {**ours, "event_time": ours["event_time"].replace("2026", "2025")},
        )
        for item, ours in shop_rows(day)
    ]


DAY, LATER = days(1), days(2)
OURS = [ours for _, ours in DAY]
# Of our own columns, of none that the rules know, and in no JSON.
PLAIN = row("2025-07-01T05:00:00Z", "customer 1")
TEXTS = [*(json.dumps(nested(item)).encode() for item, _ in DAY), b"[]", b'{"at": "\xff"}']
UNREAD = ["invalid_utf8", "malformed_row"]


def messages() -> list[Message]:
    """A day of the shop, a record of CSV, and what is no event."""
    found = [Message(text, {"from": "shop"}, str(at)) for at, text in enumerate(TEXTS)]
    record = csv_text([PLAIN]).splitlines()[1]
    return [*found, Message(record, {"content_type": "text/csv"}, "csv")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a plain batch over what the messages are."""
    return of_batch(tmp_path_factory.mktemp("plain") / "plain.duckdb", [*OURS, PLAIN])


def of_batch(database: Path, rows: list[dict[str, str]]) -> dict[str, Any]:
    """The tables of a batch over plain rows."""
    Home.at(database, TYPES).batch(rows)
    return contents(database)


def unlike(database: Path, expected: dict[str, Any]) -> list[str]:
    found = contents(database)
    return [name for name in MARTS if not found[name].equals(expected[name])]


def letters(database: Path) -> list[tuple[str, str]]:
    with reading(database) as connection:
        statement = "SELECT error_type, attributes FROM dead_letter_events ORDER BY ALL"
        return connection.execute(statement).fetchall()


def test_a_stream_on_this_machine_reads_messages_by_rules(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    database = tmp_path / "live.duckdb"
    with Home.at(database, TYPES).streaming(rules=SHOP) as batches:
        batches.take_in(messages())
    assert unlike(database, expected) == []
    assert [error_type for error_type, _ in letters(database)] == UNREAD
    assert all('"from": "shop"' in attributes for _, attributes in letters(database))


def test_the_streaming_graph_reads_messages_by_rules(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    found = [PubsubMessage(m.data, dict(m.attributes), m.message_id) for m in messages()]
    stream = stream_of([found[::2], found[1::2]])
    run_stream(
        stream, tmp_path / "live.duckdb", own=TYPES.own, rules=SHOP, active_types=TYPES.names
    )
    assert unlike(tmp_path / "live.duckdb", expected) == []
    assert [error_type for error_type, _ in letters(tmp_path / "live.duckdb")] == UNREAD


def test_a_message_that_was_no_event_is_replayed_by_the_rules(tmp_path: Path) -> None:
    database = tmp_path / "live.duckdb"
    spoilt = [Message(text.replace(b'"Viewed"', b'"viewed"'), {}, "1") for text in TEXTS[:-2]]
    noted = {warehouse_settings.RULES: note_of(SHOP)}
    with Home.at(database, TYPES).streaming(rules=SHOP, settings=noted) as batches:
        batches.take_in(spoilt)
    assert letters(database)
    run_replay(database, "--edit", 's/"viewed"/"Viewed"/')
    assert letters(database) == []
    assert unlike(database, of_batch(tmp_path / "plain.duckdb", OURS)) == []


def test_a_stream_on_this_machine_learns_names_where_rules_take_all(tmp_path: Path) -> None:
    """Of tables that hold nothing: the names of two flushes, of 100 types the first ones alone."""
    text = RULES.replace('["Viewed"]', '"*"').replace('Bought = "miles_earned"', 'x = "like"')
    rules, live = read_rules(text.encode(), "rules.toml"), tmp_path / "live.duckdb"
    noted = {warehouse_settings.RULES: note_of(rules)}
    home = Home.at(live, FigureSettings())
    items = [nested(item) for item, _ in (*DAY, *LATER)]
    many = [{**items[0], "what": f"name {number}"} for number in range(101)]
    for number, name in enumerate(("Left", "Viewed", "like")):
        items[number]["what"] = name
    flushes = [
        [Message(json.dumps(item).encode(), {}, str(at)) for at, item in enumerate(some)]
        for some in (items[:3], items[3:], many)
    ]
    with home.streaming(rules=rules, settings=noted) as batches:
        reports = [batches.take_in(some) for some in flushes]
    assert [report.counts.rejected for report in reports] == [0, 0, 101]
    (tmp_path / "rules.toml").write_text(text)
    (tmp_path / "day.jsonl").write_text("\n".join(map(json.dumps, items)))
    arguments = ("batch", "--input", "day.jsonl", "--rules", "rules.toml", "--quality", "off")
    assert command_here(*arguments, cwd=tmp_path).returncode == 0
    assert unlike(live, contents(tmp_path / "growth.duckdb")) == []
    with reading(live) as connection:
        statement = "SELECT value FROM warehouse_settings WHERE name = 'active_event_types'"
        assert connection.execute(statement).fetchall()[0][0].endswith("; own: Left,Viewed,Bought")


def job_into(database: Path) -> StreamJob:
    return StreamJob(
        subscription="projects/p/subscriptions/s",
        warehouse=open_warehouse(f"duckdb:///{database}"),
        run="stream",
        figures=FigureSettings(),
        started_at=NOW,
    )


def test_a_stream_goes_on_by_the_rules_of_its_tables(tmp_path: Path) -> None:
    rules, database = tmp_path / "rules.toml", tmp_path / "growth.duckdb"
    rules.write_text(RULES)
    others = tmp_path / "others.toml"
    others.write_text(RULES.replace('"what"', '"kind"'))
    # Of tables that hold nothing those that it is told, which it notes.
    first = _by_rules(job_into(database), str(rules))
    assert (first.rules, first.settings) == (SHOP, {warehouse_settings.RULES: note_of(SHOP)})
    assert _by_rules(job_into(database), None).rules is None
    lines = "\n".join(json.dumps(nested(item)) for item, _ in DAY)
    (tmp_path / "day1.jsonl").write_text(lines)
    batch = ("batch", "--input", "day1.jsonl", "--rules", "rules.toml", "--quality", "off")
    assert command_here(*batch, cwd=tmp_path).returncode == 0
    behind = _by_rules(job_into(database), None)
    assert (behind.rules, behind.settings) == (SHOP, {})
    with pytest.raises(OptionError, match=r"and this run adds to them: columns\.event_type"):
        _by_rules(job_into(database), str(others))
    home = Home.at(database, TYPES)
    home.runs = 1
    with home.streaming(rules=behind.rules) as batches:
        batches.take_in([Message(json.dumps(nested(item)).encode(), {}, "1") for item, _ in LATER])
    every = [*OURS, *(ours for _, ours in LATER)]
    assert unlike(database, of_batch(tmp_path / "plain.duckdb", every)) == []
