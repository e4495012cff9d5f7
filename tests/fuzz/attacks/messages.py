"""Messages of JSON and CSV, mutated, alone and in bundles, against a reader of one message."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.fuzz import texts
from tests.fuzz.attacks.csv_records import parsed
from tests.fuzz.contract import COLUMNS, Event, Refused
from tests.fuzz.plain_json import result_of
from transforms.kernels.messages import Message
from transforms.kernels.single_records import read_records

NOW: Final = datetime(2026, 1, 1)
_CSV: Final = {"content_type": "text/csv"}
_NUMBERS: Final = [
    "0", "5", "575", "575.0", "-1", "-0", "1.5", "1e3", "1E400", "-1e-400", "4.99999999999999999",
    "12345678901234567.0", "9223372036854775807", "9223372036854775808", "1000000000000",
    "1000000000001", "1" * 60, "0." + "0" * 50 + "1", "1.0000000000000000000001", "0.0", "10.000",
    "123456789012345678901234567890.0", "1" * 5_000,
]  # fmt: skip
_VALUES: Final = [
    "null", "true", "false", "[]", "{}", '["a"]', '{"a": 1}', "NaN", "Infinity", "-Infinity",
    '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\u200b"', "01", "+1", ".5", "1.", "0x1", "'a'",
    '"\\x"', '"a', "", "[" * 3_000, '"\\ufeff"',
]  # fmt: skip
_WHOLES: Final = [
    b"", b" ", b"null", b"[]", b"5", b'"a"', b"{", b"{}", b"{}{}", b"\xff", b"\xef\xbb\xbf{}",
    b"[" * 100_000, b"{" * 5_000, b'{"a":' * 5_000, "{}".encode("utf-16"), b"\0", b",,,,,,,", b'"',
]  # fmt: skip
_HOSTILE: Final = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\0",
    b"\xff",
    b"\n",
    b"e",
    b"9",
]


def case(chance: random.Random, folder: Path) -> int:
    """A bundle of some hundred messages; counts them."""
    messages = [_message(chance, number) for number in range(chance.randrange(1, 800))]
    found = _results(messages)
    for message in messages:
        expected = result_of(message.data, message.attributes == _CSV, NOW)
        _compare(message, "in a bundle", expected, found[int(message.message_id)])
    for message in chance.sample(messages, min(5, len(messages))):
        (alone,) = _results([message]).values()
        _compare(message, "alone", found[int(message.message_id)], alone)
    _compare_ways([texts.row(chance) for _ in range(chance.randrange(1, 200))])
    return len(messages)


def _results(messages: list[Message]) -> dict[int, Event | Refused]:
    """What becomes of messages, by their number: each is there once."""
    records = read_records(messages, "fuzz")
    assert len(records) == len(messages)
    found = {outcome.start: outcome for outcome in parsed(records)}
    assert sorted(found) == sorted(int(message.message_id) for message in messages)
    for message in messages:
        assert found[int(message.message_id)].payload == message.data, "a payload was changed"
    return {number: outcome.result for number, outcome in found.items()}


def _compare(message: Message, how: str, want: Event | Refused, have: Event | Refused) -> None:
    assert want == have, f"read {how}:\n  {have}\nand not\n  {want}\nof\n{message.data[:3000]!r}"


def _compare_ways(rows: list[dict[str, str]]) -> None:
    """The same texts as strings of JSON and as CSV are the same events."""
    as_json = [
        Message(json.dumps(row, ensure_ascii=number % 2 == 0).encode(), {}, str(number))
        for number, row in enumerate(rows)
    ]
    as_csv = [Message(_csv_record(row), _CSV, str(number)) for number, row in enumerate(rows)]
    one, other = _results(as_json), _results(as_csv)
    for number, message in enumerate(as_csv):
        if message.data.strip(b","):
            _compare(message, "as CSV", one[number], other[number])


def _csv_record(row: dict[str, str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([row[name] for name in COLUMNS])
    return text.getvalue().removesuffix("\r\n").encode()


def _message(chance: random.Random, number: int) -> Message:
    if chance.random() < 0.03:
        return Message(chance.choice(_WHOLES), chance.choice([{}, _CSV]), str(number))
    is_csv = chance.random() < 0.25
    row = texts.row(chance)
    data = _csv_record(row) if is_csv else json_of(chance, row)
    if chance.random() < 0.15:
        data = _mutated(chance, data)
    attributes = _CSV if is_csv else chance.choice([{}, {"origin": "fuzz"}])
    return Message(data, attributes, str(number))


def json_of(chance: random.Random, row: dict[str, str]) -> bytes:
    """An object, of which some values are numbers, or worse, or missing, or there twice."""
    values = [
        (name, json.dumps(text, ensure_ascii=chance.random() < 0.5)) for name, text in row.items()
    ]
    if row["miles_amount"].isdigit() and chance.random() < 0.5:
        values = [
            (name, text.strip('"') if name == "miles_amount" else text) for name, text in values
        ]
    while chance.random() < 0.15:
        at = chance.randrange(len(values))
        change = chance.randrange(4)
        if change == 0:
            values.pop(at)
        elif change == 1:
            values.insert(chance.randrange(len(values)), ("extra", chance.choice(_VALUES)))
        else:
            values[at] = (values[at][0], chance.choice(_NUMBERS if change == 2 else _VALUES))
        if not values:
            break
    if values and chance.random() < 0.03:
        values.append(chance.choice(values))
    space = chance.choice(["", " ", "\n", "\t"])
    return (
        f"{space},{space}".join(f'"{name}":{space}{text}' for name, text in values)
        .join("{}")
        .encode()
    )


def _mutated(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return chance.choice(
        [
            data[:at],
            data[at:],
            data[:at] + chance.choice(_HOSTILE) + data[at:],
            data[:at] + chance.choice(_HOSTILE) + data[at + 1 :],
            data + data,
            b"\xef\xbb\xbf" + data,
            data.decode().encode("utf-16"),
        ]
    )
