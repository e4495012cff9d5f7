"""Rows that rules leave out: as a plain loop says, counted by rule, kept where that is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OptionError
from pipeline.launch.rules_of_run import asked_rules, note_of
from tests.support.in_process import command_here
from tests.support.reading import reading
from tests.support.runs import contents
from tests.support.tables import LIMITS, NOW
from transforms.data_error import DataError
from transforms.kernels.messages import Message
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.parse_step import parse_part
from transforms.rules.exclusions import excluded
from transforms.rules.model import Exclude
from transforms.rules.read_by_rules import RuleReader
from transforms.rules.read_messages import read_messages
from transforms.rules.rules_document import canonical, rules_of
from transforms.rules.rules_file import read_rules

RULES: Final = """\
[columns]
event_time = "at"
user_id = "who"
event_type = {constant = "like"}
platform = {constant = "Web"}
[exclude]
ids = ["tester", "u 1"]
patterns = "(?i)bot"
where = {"context.agent" = ["Crawler", "^curl/"]}
"""
AGENTS: Final = ("Mozilla", "MyCrawler 1", "curl/8", "not curl/8", "", None)
USERS: Final = ("ann", " tester ", "u 1", "u 12", "Robot 7", "")


@given(st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(AGENTS)), max_size=12))
def test_rows_are_left_out_as_a_plain_loop_says(rows: list[tuple[str, str | None]]) -> None:
    rules = read_rules(RULES.encode(), "r.toml")
    messages = [
        Message(
            json.dumps(
                {"at": "2024-01-01T00:00:00Z", "who": who, "context": {"agent": agent}}
            ).encode(),
            {},
            str(at),
        )
        for at, (who, agent) in enumerate(rows)
    ]
    expected: dict[str, int] = {}
    stays = []
    for who, agent in rows:
        rule = rule_of(who, agent)
        if rule is None:
            stays.append(who.strip())
        else:
            expected[rule] = expected.get(rule, 0) + 1
    found, _ = read_messages(messages, "s", RuleReader(rules))
    part = parse_part(found, NOW, LIMITS, "1")
    counts = part.counts
    assert counts.excluded == expected
    assert sorted(part.parsed[0].events["user_id"].to_pylist()) == sorted(filter(None, stays))
    assert counts.dead_letters == ({"missing_user_id": stays.count("")} if "" in stays else {})
    assert counts.left_out + len(stays) == counts.input_rows == len(rows)
    assert RunCounts.from_json(counts.to_json()) == counts
    told = parse_part(found.telling_excluded(), NOW, LIMITS, "1")
    assert told.counts.excluded == {}
    assert told.counts.dead_letters.get("excluded", 0) == counts.left_out
    reasons = told.dead_letters.filter(
        pa.compute.equal(told.dead_letters["error_type"], "excluded")
    )
    assert {*reasons["error_message"].to_pylist()} == {
        f"exclude.{rule} of the rules leaves it out" for rule in expected
    }


def rule_of(who: str, agent: str | None) -> str | None:
    if who.strip() in ("tester", "u 1"):
        return "ids"
    if re.search("(?i)bot", who):
        return "patterns"
    if re.search("Crawler|^curl/", agent or ""):
        return "where.context.agent"
    return None


def test_texts_may_be_a_dictionary() -> None:
    users = pa.array(["a", "bot", "a", "b"]).dictionary_encode()
    found = excluded(Exclude(ids=("a",), patterns=("^b",)), users, {})
    assert found is not None
    assert {name: rows.tolist() for name, rows in found.by_rule.items()} == {
        "ids": [True, False, True, False],
        "patterns": [False, True, False, True],
    }
    assert excluded(Exclude(keep=True), users, {}) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep = true", "exclude leaves nothing out: give ids, ids_file, patterns, where, events_"),
        ("events_per_day = 0", "exclude.events_per_day is 0: give a whole number from 1 to "),
        ('events_per_session = "9"', "exclude.events_per_session is a text: give a whole number"),
        (
            'patterns = "(bot"',
            r"exclude.patterns '\(bot' is no regular expression of RE2 \(missing",
        ),
        ('where = {agent = ["ok", "*"]}', r"'\*' is no regular expression of RE2"),
        ("ids = []", "exclude.ids is empty"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_rules(f"[exclude]\n{text}\n".encode(), "r.toml")


def test_rules_say_the_same_as_a_document() -> None:
    rules = read_rules(RULES.encode(), "r.toml")
    assert rules_of(json.loads(canonical(rules))) == rules


def test_ids_of_a_file_are_noted_and_not_its_place(tmp_path: Path) -> None:
    (tmp_path / "robots.txt").write_text("﻿r 2\n\n r 1 \n", "utf-8")
    path = tmp_path / "rules.toml"
    path.write_text('[exclude]\nids = ["r 3"]\nids_file = "robots.txt"\n')
    found = asked_rules(str(path))
    assert found is not None
    assert found.exclude.ids == ("r 1", "r 2", "r 3")
    assert note_of(found) == '{"exclude": {"ids": ["r 1", "r 2", "r 3"]}}'
    (tmp_path / "robots.txt").unlink()
    with pytest.raises(OptionError, match=r"exclude\.ids_file robots\.txt can't be read"):
        asked_rules(str(path))


def rows(name: str, robots: bool) -> str:
    """Lines of a day, some of them of robots, some of those broken."""
    agents = ["Mozilla", "MyCrawler"] if robots else ["Mozilla"]
    return "".join(
        f"{json.dumps({'at': at, 'who': f'{name} {number}', 'context': {'agent': agent}})}\n"
        for number in range(5)
        for agent in agents
        for at in (f"2024-01-0{number + 1}T00:00:00Z", *(["broken"] if agent != "Mozilla" else []))
    )


@pytest.mark.parametrize("keep", [False, True])
def test_batches_updates_and_replays_leave_them_out(tmp_path: Path, keep: bool) -> None:
    path, home = tmp_path / "rules.toml", tmp_path / "g.duckdb"
    path.write_text(RULES + ("keep = true\n" if keep else ""))
    summary = tmp_path / "summary.json"
    loaded: list[dict[str, Any]] = []
    for day, command_name in (("a", "batch"), ("b", "update")):
        (tmp_path / f"{day}.jsonl").write_text(rows(day, robots=True))
        rules = ("--rules", str(path)) if command_name == "batch" else ()
        run = command_here(
            *(command_name, "--input", str(tmp_path / f"{day}.jsonl"), *rules),
            *("--warehouse", f"duckdb:///{home}", "--summary_file", str(summary)),
            cwd=tmp_path,
        )
        assert run.returncode == 0, run.stderr
        assert ("10 excluded (10 where.context.agent)" in run.stdout) is not keep
        loaded.append(json.loads(summary.read_text()))
        summary.unlink()
    plain = tmp_path / "plain"
    plain.mkdir()
    for day in ("a", "b"):
        (plain / f"{day}.jsonl").write_text(rows(day, robots=False))
    words = ("batch", "--input", f"{plain}/*.jsonl", "--rules", str(path))
    assert (
        command_here(*words, "--warehouse", f"duckdb:///{plain}/g.duckdb", cwd=tmp_path).returncode
        == 0
    )
    found, expected = contents(home), contents(plain / "g.duckdb")
    same = [name for name in TABLES if found[name].equals(expected[name])]
    assert {*TABLES} - {*same} <= {"dead_letter_events", "data_quality_results"}
    for each in loaded:
        total = 0 if keep else 10
        assert each["excluded"] == {
            "total": total,
            "by_rule": {} if keep else {"where.context.agent": 10},
        }
        assert each["dead_letters"]["by_error_type"] == ({"excluded": 10} if keep else {})
        assert each["input_rows"] == 15
    with reading(home) as connection:
        kept = connection.execute(
            "SELECT error_type, count(*) FROM dead_letter_events GROUP BY ALL"
        ).fetchall()
    assert kept == ([("excluded", 20)] if keep else [])
    # Other rules are refused: what was left out is in no table.
    path.write_text(RULES.replace("tester", "other"))
    words = ("update", "--input", str(tmp_path / "*.jsonl"), "--rules", str(path))
    run = command_here(*words, "--warehouse", f"duckdb:///{home}", cwd=tmp_path)
    assert run.returncode == 2
    assert "exclude.ids has 'tester' there and has 'other' here" in run.stderr
    run = command_here("replay", "--warehouse", f"duckdb:///{home}", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert contents(home)["fct_events"].equals(expected["fct_events"])
