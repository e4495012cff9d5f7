"""A misspelt field of JSON files is told before a run: every row may lack it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.inputs.input_versions import local_file
from pipeline.launch.absent_fields import warn_of_absent_fields
from transforms.rules.rules_file import read_rules

RULES = """
[columns]
event_time = "time"
country = "geo.contry"
platform = {field = "os", default = "Web"}
utm_source = {field = "source", optional = true}
transaction_category = ["kind", "sort"]
"""
ROWS = [{"time": "2026-01-01", "geo": {"country": "DE"}}, {"time": "", "sort": "x", "os": None}]


def told(path: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    warn_of_absent_fields([local_file(str(path))], read_rules(RULES.encode(), "rules.toml"))
    return caplog.messages


def test_a_field_that_no_row_has_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    assert told(path, caplog) == [
        f"{path}: none of its first 2 rows has 'geo.contry', from which country comes by "
        "the rules; 'geo.country' is there, and looks like it",
    ]


def test_a_file_of_another_tool_is_told_beside_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"time": "2026-01-01", "geo": {"contry": "DE"}, "os": "iOS", "kind": "x"}
    paths = [tmp_path / f"{number}.jsonl" for number in range(9)]
    for path in paths:
        path.write_text(json.dumps(row))
    for number in (0, 4, 8):
        paths[number].write_text('{"ts": 1}')
    files = [local_file(str(path)) for path in paths]
    warn_of_absent_fields(files, read_rules(RULES.encode(), "rules.toml"))
    assert {line.split(":")[0] for line in caplog.messages} == {
        str(paths[number]) for number in (0, 4, 8)
    }


def test_columns_are_not_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "events.csv"
    path.write_text("time,kind\n2026-01-01,a\n")
    assert told(path, caplog) == []


def test_a_field_that_is_another_column_is_no_hint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event_type": "x"}')
    rules = '[columns]\nevent_time = "event_time"\nevent_type = "event_type"\n'
    warn_of_absent_fields([local_file(str(path))], read_rules(rules.encode(), "rules.toml"))
    (line,) = caplog.messages
    assert line.endswith("from which event_time comes by the rules")
