"""Dead letters read again: which are meant, how they are read, and what a try in vain leaves."""

from __future__ import annotations

import json
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dead_letters import rows
from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import LIMITS, NOW, Row, csv_text, parse, row
from transforms.data_error import DataError
from transforms.kernels.csv_layout import STANDARD, Layout
from transforms.kernels.dead_letters import Record, Selection, how_to_read, reread, tried
from transforms.kernels.parse import Limits
from transforms.kernels.records import MAX_RECORD_BYTES
from transforms.marts import dead_letter_events
from transforms.stored_events import restored, stored
from transforms.vocabulary import SOURCE_COLUMNS

SUBSCRIPTION = "projects/p/subscriptions/s"
HEADER = STANDARD
SECOND = Layout.of(["x", *SOURCE_COLUMNS])


def as_letter(table: pa.Table) -> dict[str, object]:
    return dict(table.to_pylist()[0])


def test_letters_are_chosen_by_type_and_time() -> None:
    table = pa.concat_tables(
        [
            rows(b"a", error_type="bad_country", failed_at=NOW),
            rows(b"b", error_type="too_late", failed_at=NOW + timedelta(microseconds=1)),
            rows(b"c", error_type="too_late", failed_at=NOW - timedelta(days=1)),
        ]
    )
    for selection, chosen in (
        (Selection(), [True, True, True]),
        (Selection(frozenset({"too_late"})), [False, True, True]),
        (Selection(since=NOW), [True, True, False]),
        (Selection(since=NOW + timedelta(microseconds=1)), [False, True, False]),
        (Selection(frozenset({"bad_country"}), NOW + timedelta(days=1)), [False, False, False]),
    ):
        assert selection.of(table).tolist() == chosen


def test_letters_that_hold_only_a_beginning_are_reported() -> None:
    whole, cut = b"x" * MAX_RECORD_BYTES, b"x" * (MAX_RECORD_BYTES + 1)
    table = rows(whole, cut, b"", b"\xff" + cut)
    assert dead_letter_events.cut_short(table).tolist() == [False, True, False, True]
    # What a record says of itself is no proof.
    quoting = dead_letter_events.TABLE.column_names.index("error_message")
    said = table["error_message"][1].as_py()
    changed = table.slice(0, 1).set_column(
        quoting, table.schema.field(quoting), pa.array([f"country {said!r} is not two letters"])
    )
    assert dead_letter_events.cut_short(changed).tolist() == [False]


@pytest.mark.parametrize(
    "payload", [b"", b"plain", "d\u00e9 \u2603".encode(), b"\xff\xfe\x00", b"\0"]
)
def test_payloads_come_back_as_they_came(payload: bytes) -> None:
    assert dead_letter_events.payloads(rows(payload)) == [payload]


@pytest.mark.parametrize(
    ("source", "attributes", "header"),
    [
        ("/data/events.csv", None, HEADER),
        ("gs://bucket/events.csv", '{"replay_tries": 2}', HEADER),
        ("/e.csv", json.dumps({"csv_header": ["x", *SOURCE_COLUMNS]}), SECOND),
        ("/e.csv", SECOND.attributes, SECOND),
        (SUBSCRIPTION, None, None),
        (SUBSCRIPTION, '{"content_type": "text/csv; charset=utf-8"}', HEADER),
        (SUBSCRIPTION, '{"csv_header": "mine", "replay_tries": 3}', None),
    ],
)
def test_how_a_letter_is_read_follows_from_its_source(
    source: str, attributes: str | None, header: Layout | None
) -> None:
    assert how_to_read(as_letter(rows(b"", source=source, attributes=attributes))) == header


@pytest.mark.parametrize(
    "attributes",
    [
        "{",
        "[]",
        '{"csv_header": ["user_id"]}',
        '{"csv_header": 7}',
        '{"csv_header": {"fields": 8}}',
        (SECOND.attributes or "").replace(": 9", ": 8"),
        (SECOND.attributes or "").replace(": 3", ": -1"),
        (SECOND.attributes or "").replace(": 3", ': "3"'),
    ],
)
def test_a_letter_that_somebody_else_wrote_is_named(attributes: str) -> None:
    dead_letter = as_letter(rows(b"", attributes=attributes))
    with pytest.raises(DataError, match=str(dead_letter["dead_letter_id"])):
        how_to_read(dead_letter)


@settings(deadline=None)
@given(st.lists(st.one_of(valid_rows, broken_rows), max_size=15), st.permutations(SOURCE_COLUMNS))
def test_records_one_by_one_are_read_as_in_their_file(found: list[Row], columns: list[str]) -> None:
    header = (*columns, "extra")
    lines = [csv_text([item], header).split(b"\n", 1)[1].rstrip(b"\n") for item in found]
    ours = reread([Record(line, Layout.of(header)) for line in lines], NOW, LIMITS)
    together = parse(csv_text(found, header))
    expected = [str(event) for part in together for event in part.events.to_pylist()]
    assert sorted(map(str, ours.events.to_pylist())) == sorted(expected)
    rejected = [item for part in together for item in part.rejections]
    assert sorted(failure.error_type for failure in ours.failures.values()) == sorted(
        rejection.error_type for rejection in rejected
    )
    for index, failure in ours.failures.items():
        assert (failure.message, lines[index]) in {(r.message, r.payload) for r in rejected}


@settings(deadline=None)
@given(st.lists(valid_rows, max_size=20))
def test_stored_events_come_back(found: list[Row]) -> None:
    for part in parse(csv_text(found)):
        table = stored(part.events)
        again = restored(table)
        assert again.events.to_pylist() == part.events.to_pylist()
        # Behind an offset too, as pieces of a file are.
        assert restored(table.slice(1)).events.to_pylist() == part.events.to_pylist()[1:]


def test_a_stored_event_of_no_known_type_is_named() -> None:
    (part,) = parse(csv_text([row("2024-01-01T00:00:00Z")]))
    table = stored(part.events)
    place = table.column_names.index("event_type")
    strange = table.set_column(place, table.schema.field(place), pa.array(["purchase"]))
    with pytest.raises(DataError, match="event_type is 'purchase'"):
        restored(strange)


def test_a_record_in_a_letters_place_may_be_of_another_kind() -> None:
    good = row("2024-01-01T00:00:00Z", category='a "b"\nc')
    line = csv_text([good]).split(b"\n", 1)[1].rstrip(b"\n")
    records = [
        Record(line, HEADER),
        Record(json.dumps(good).encode(), None),
        Record(line + b"\n" + line, HEADER),
        Record(b"", HEADER),
        Record(b"[]", None),
    ]
    result = reread(records, NOW, LIMITS)
    first, second = result.events.to_pylist()
    assert first == second
    assert {index: failure.error_type for index, failure in result.failures.items()} == {
        2: "malformed_row",
        3: "malformed_row",
        4: "malformed_message",
    }


def test_no_event_is_too_late_for_a_replay() -> None:
    old = row("2000-01-01T00:00:00Z")
    assert len(reread([Record(json.dumps(old).encode(), None)], NOW, LIMITS).events) == 1


def test_an_event_of_the_future_passes_when_its_time_has_come() -> None:
    record = Record(json.dumps(row("2026-01-01T02:00:00Z")).encode(), None)
    (failure,) = reread([record], NOW, LIMITS).failures.values()
    assert failure.error_type == "event_time_out_of_range"
    assert "--max_future_minutes ahead" in failure.message
    assert len(reread([record], NOW, Limits(max_future_minutes=120)).events) == 1
    assert len(reread([record], NOW + timedelta(hours=1), LIMITS).events) == 1


def test_tries_count_once_for_a_record_and_a_version() -> None:
    dead_letter = as_letter(rows(b"x", attributes='{"csv_header": ["a"]}'))
    one, other = Record(b"y", HEADER), Record(b"z", HEADER)
    for record, version, tries in (
        (one, "1", 1),
        (one, "1", 1),
        (other, "1", 2),
        (other, "2", 3),
        (one, "2", 4),
    ):
        dead_letter["attributes"] = tried(dead_letter, record, version)
        attributes = json.loads(str(dead_letter["attributes"]))
        assert attributes["replay_tries"] == tries
        assert attributes["csv_header"] == ["a"]


def test_a_messages_own_attribute_is_not_overwritten() -> None:
    dead_letter = as_letter(rows(b"x", attributes='{"replay_tries": "mine"}'))
    assert tried(dead_letter, Record(b"y", None), "1") == '{"replay_tries": "mine"}'
