"""Messages that rules leave out, in both kinds of stream."""

from __future__ import annotations

from pathlib import Path

from apache_beam.io.gcp.pubsub import PubsubMessage

from tests.support.runs import contents
from tests.support.streams import run_stream, stream_of
from tests.support.updates import Home
from tests.unit.test_exclusions import RULES, rows
from transforms.kernels.messages import Message
from transforms.marts.registry import TABLES
from transforms.rules.rules_file import read_rules

READ = read_rules(RULES.encode(), "rules.toml")
MARTS = sorted(set(TABLES) - {"data_quality_results"})


def messages(robots: bool) -> list[Message]:
    lines = rows("a", robots=robots).splitlines()
    return [Message(line.encode(), {}, str(at)) for at, line in enumerate(lines)]


def test_both_kinds_of_stream_leave_them_out(tmp_path: Path) -> None:
    here, graph, without = (tmp_path / f"{name}.duckdb" for name in ("here", "graph", "without"))
    with Home.at(without).streaming(rules=READ) as batches:
        report = batches.take_in(messages(robots=False))
    assert (report.counts.excluded, report.pending) == ({}, 0)
    with Home.at(here).streaming(rules=READ) as batches:
        report = batches.take_in(messages(robots=True))
    assert (report.counts.excluded, report.pending) == ({"where.context.agent": 10}, 0)
    found = [PubsubMessage(m.data, {}, m.message_id) for m in messages(robots=True)]
    run_stream(stream_of([found[:7], found[7:]]), graph, rules=READ)
    expected = contents(without)
    for database in (here, graph):
        tables = contents(database)
        assert [name for name in MARTS if not tables[name].equals(expected[name])] == []
