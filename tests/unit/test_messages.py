"""Messages become the same events and dead letters as the rows of a CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import broken_rows, valid_rows
from tests.support.tables import LIMITS, NOW, Row, csv_text, parse, row
from tests.support.thorough import examples
from transforms.kernels.messages import Message
from transforms.kernels.parse import Parsed, parse_records
from transforms.kernels.records import MAX_RECORD_BYTES
from transforms.kernels.single_records import read_records
from transforms.marts import dead_letter_events
from transforms.vocabulary import SOURCE_COLUMNS

GOOD = row("2024-01-01T00:00:00Z", "ann", "miles_earned", amount="575", category="a,b")


def parsed(*payloads: bytes, attributes: Mapping[str, str] | None = None) -> Parsed:
    messages = [
        Message(data, attributes or {}, f"id {number}") for number, data in enumerate(payloads)
    ]
    return parse_records(read_records(messages, "projects/p/subscriptions/s"), NOW, LIMITS)


def as_json(row: Row) -> bytes:
    return json.dumps(row).encode()


def as_csv(row: Row) -> bytes:
    text = io.StringIO(newline="")
    csv.DictWriter(text, SOURCE_COLUMNS, lineterminator="").writerow(row)
    return text.getvalue().encode()


@settings(max_examples=examples(20, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(valid_rows | broken_rows, min_size=1, max_size=20))
def test_json_csv_and_files_agree(rows: list[Row]) -> None:
    (expected,) = parse(csv_text(rows))
    by_json = parsed(*map(as_json, rows))
    by_csv = parsed(*map(as_csv, rows), attributes={"content_type": "text/csv"})
    for found in (by_json, by_csv):
        assert found.events.to_pylist() == expected.events.to_pylist()
        said = [(dead_letter.error_type, dead_letter.message) for dead_letter in found.rejections]
        assert said == [
            (dead_letter.error_type, dead_letter.message) for dead_letter in expected.rejections
        ]


@pytest.mark.parametrize(
    ("amount", "miles"), [("575", 575), (575, 575), (575.0, 575), (0, 0), (" 7 ", 7)]
)
def test_numbers_may_be_strings_or_numbers(amount: object, miles: int) -> None:
    found = parsed(json.dumps({**GOOD, "miles_amount": amount}).encode())
    assert found.events["miles_amount"].to_pylist() == [miles]


@pytest.mark.parametrize(
    ("number", "error_type"),
    [
        ("575", None),
        ("575.0", None),
        ("1000000000000", None),
        ("4.99999999999999999", "bad_miles_amount"),
        ("0.1", "bad_miles_amount"),
        ("1e3", "bad_miles_amount"),
        ("-0", "bad_miles_amount"),
        ("-0.0", "bad_miles_amount"),
        ("1000000000001", "too_many_miles"),
        ("1" * 5000, "too_many_miles"),
        ("1e999", "bad_miles_amount"),
    ],
)
def test_a_number_is_read_as_csv_reads_its_digits(number: str, error_type: str | None) -> None:
    needed = {name: text for name, text in GOOD.items() if name != "miles_amount"}
    payload = json.dumps(needed)[:-1] + f', "miles_amount": {number}}}'
    by_json = parsed(payload.encode())
    by_csv = parsed(
        as_csv({**GOOD, "miles_amount": number}), attributes={"content_type": "text/csv"}
    )
    for found in (by_json, by_csv):
        assert [dead_letter.error_type for dead_letter in found.rejections] == [error_type] * bool(
            error_type
        )
        assert len(found.events) == (error_type is None)
    assert by_json.events.equals(by_csv.events)


@pytest.mark.parametrize("number", ["12345678901234567.0", "12345678901234567890", "-0", "1e3"])
def test_a_user_id_of_digits_stays_as_it_is_written(number: str) -> None:
    needed = {name: text for name, text in GOOD.items() if name != "user_id"}
    found = parsed((json.dumps(needed)[:-1] + f', "user_id": {number}}}').encode())
    assert found.events["user_id"].to_pylist() == [number]


def nested(levels: int) -> bytes:
    deep = '"["' if levels < 2 else "[" * (levels - 1) + '"\\"["' + "]" * (levels - 1)
    return (json.dumps(GOOD)[:-1] + f', "note": {deep}}}').encode()


def test_depth_is_limited_by_a_number_and_not_by_the_stack() -> None:
    assert len(parsed(nested(100)).events) == 1
    (dead_letter,) = parsed(nested(101)).rejections
    assert dead_letter.error_type == "malformed_message"
    assert "nested more than 100 levels deep" in dead_letter.message
    note = json.dumps({**GOOD, "note": '["' * 200 + "{" * 200})
    assert len(parsed(note.encode()).events) == 1


def test_missing_fields_and_null_are_empty_and_others_are_ignored() -> None:
    needed = {name: GOOD[name] for name in ("event_time", "user_id", "platform")}
    event = {**needed, "event_type": "like", "utm_source": None, "note": {"deep": [1]}}
    (found,) = parsed(json.dumps(event).encode()).events.to_pylist()
    assert (found["utm_source"], found["country"], found["miles_amount"]) == (None, None, None)


@pytest.mark.parametrize(
    ("payload", "error_type", "said"),
    [
        (b"", "malformed_message", "is no JSON object"),
        (b"{", "malformed_message", "is no JSON object"),
        (b"[1]", "malformed_message", "is an array, not a JSON object"),
        (b'"text"', "malformed_message", "is a string, not a JSON object"),
        (b"7", "malformed_message", "is a number, not a JSON object"),
        (b"true", "malformed_message", "is a boolean, not a JSON object"),
        (b"null", "malformed_message", "is null, not a JSON object"),
        (b"\xff{}", "invalid_utf8", "byte 0xff at offset 0"),
        (b'{"miles_amount": NaN}', "malformed_message", "NaN is no JSON value"),
        (b'{"user_id": true}', "malformed_message", "user_id is a boolean"),
        (b'{"user_id": ["a"]}', "malformed_message", "user_id is an array"),
        (b'{"user_id": {"a": 1}}', "malformed_message", "user_id is an object"),
        (rb'{"user_id": "\ud800"}', "malformed_message", "half of a surrogate pair"),
        (b"[" * 100_000, "malformed_message", "is no JSON object"),
        (b'{"miles_amount": -Infinity}', "malformed_message", "-Infinity is no JSON value"),
        (b'{"user_id": "a", "user_id": "b"}', "malformed_message", "has user_id more than once"),
        (b'{"user_id": 1, "user_id": 1}', "malformed_message", "has user_id more than once"),
        (rb'{"user_id": "\u0000\ufeff \u200b"}', "missing_user_id", "user_id is blank"),
        (b"{}", "missing_user_id", "user_id is blank"),
    ],
)
def test_what_is_no_event_is_a_dead_letter(payload: bytes, error_type: str, said: str) -> None:
    found = parsed(as_json(GOOD), payload, attributes={"tenant": "é"})
    assert len(found.events) == 1
    (dead_letter,) = found.rejections
    assert (dead_letter.error_type, dead_letter.payload, dead_letter.position) == (
        error_type,
        payload,
        "id 1",
    )
    assert said in dead_letter.message
    assert dead_letter.attributes == '{"tenant": "é"}'
    rows = dead_letter_events.rows(
        found.rejections, "projects/p/subscriptions/s", NOW, "1"
    ).to_pylist()
    assert rows[0]["attributes"] == '{"tenant": "é"}'
    assert rows[0]["source"] == "projects/p/subscriptions/s"


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "holds 0 CSV records"),
        (as_csv(GOOD) + b"\n" + as_csv(GOOD), "holds 2 CSV records"),
        (b"a,b", "has 8 fields, this one 2"),
        (b'"a,b,c,d,e,f,g,h', "is not closed"),
    ],
)
def test_a_message_of_csv_is_one_record(payload: bytes, said: str) -> None:
    (dead_letter,) = parsed(
        payload, attributes={"content_type": "text/csv; charset=utf-8"}
    ).rejections
    assert dead_letter.error_type == "malformed_row"
    assert said in dead_letter.message


def test_a_record_of_csv_may_end_its_line() -> None:
    found = parsed(as_csv(GOOD) + b"\r\n", attributes={"content_type": "TEXT/CSV"})
    assert found.events["transaction_category"].to_pylist() == ["a,b"]


def test_a_message_over_the_limit_is_a_dead_letter() -> None:
    long = as_json({**GOOD, "transaction_category": "x" * MAX_RECORD_BYTES})
    (dead_letter,) = parsed(long).rejections
    assert dead_letter.error_type == "oversized_record"


def test_no_message_is_no_record() -> None:
    found = parsed()
    assert (len(found.events), len(found.rejections)) == (0, 0)
