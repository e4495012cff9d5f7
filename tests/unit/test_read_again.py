"""Dead letters of files that were read by rules, read again beside others."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import pytest

from tests.support.tables import NOW
from transforms.data_error import DataError
from transforms.kernels.csv_layout import STANDARD
from transforms.kernels.dead_letters import Record, how_to_read, reread
from transforms.kernels.parse import Limits
from transforms.kernels.source_records import PayloadFormat
from transforms.rules.read_again import ReadAgain
from transforms.rules.rules_file import read_rules

RULES: Final = read_rules(
    b"""
    [columns]
    event_time = "at"
    user_id = "who.name"
    event_type = {constant = "like"}
    platform = {constant = "Web"}
    [time]
    format = "%d.%m.%Y %H:%M"
    """,
    "rules.toml",
)
CSV: Final = {
    "kind": "csv",
    "delimiter": ";",
    "quote": '"',
    "fields": 3,
    "columns": {"at": 2, "who.name": 0},
}


def form(found: Any) -> PayloadFormat:
    letter = {
        "dead_letter_id": "a",
        "attributes": json.dumps({"input_format": found}),
        "source": "/data/a.csv",
    }
    read = how_to_read(letter)
    assert isinstance(read, PayloadFormat)
    return read


RECORDS: Final = [
    Record(b"ann;x;01.02.2026 10:00", form(CSV)),
    Record(b"2026-02-01T11:00:00Z,bob,share,,,iOS,,SG", STANDARD),
    Record(b"ann;x;late", form(CSV)),
    Record(b'{"at": "01.02.2026 12:00", "who": {"name": "eve"}}', form({"kind": "json"})),
    Record(b'{"at": "2026-02-01 13:00:00", "who": {"name": "joe"}}', form({"kind": "parquet"})),
    Record(b"[]", form({"kind": "json"})),
    Record(b"ann;x", form(CSV)),
    Record(b"kim;x;01.02.2026 14:00", form(CSV)),
    Record(b"nobody", STANDARD),
]


def test_records_of_all_formats_come_in_their_order() -> None:
    found = reread(RECORDS, NOW.replace(year=2027), Limits(), None, ReadAgain(RULES))
    assert found.events["user_id"].to_pylist() == ["ann", "bob", "eve", "joe", "kim"]
    assert found.events["event_time"].to_pylist() == [
        datetime(2026, 2, 1, hour) for hour in (10, 11, 12, 13, 14)
    ]
    assert found.texts["user_id"].to_pylist() == ["ann", "bob", "eve", "joe", "kim"]
    assert found.texts["event_type"].to_pylist() == ["like", "share", "like", "like", "like"]
    assert sorted(found.failures) == [2, 5, 6, 8]
    assert "'late' does not fit" in found.failures[2].message
    assert found.failures[5].message == "the record is an array, not a JSON object"
    assert {found.failures[at].error_type for at in (5, 6, 8)} == {"malformed_row"}


def test_nothing_that_passes_is_nothing() -> None:
    bad = [record for at, record in enumerate(RECORDS) if at in (2, 5, 8)]
    found = reread(bad, NOW, Limits(), None, ReadAgain(RULES))
    assert (len(found.events), found.texts.num_rows, len(found.failures)) == (0, 0, 3)
    assert len(reread([], NOW, Limits()).events) == 0


def test_without_rules_such_a_record_is_refused() -> None:
    with pytest.raises(DataError, match="the warehouse notes none: run batch"):
        reread(RECORDS, NOW, Limits())
