"""Raw records -> events, their ids, and rejections, against the rules one record at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.thorough import examples
from transforms.kernels.compression import digests
from transforms.kernels.event_batch import EVENT_BATCH
from transforms.kernels.event_ids import event_ids
from transforms.kernels.hashing import Hashes, ascii_array
from transforms.kernels.id_text import event_digits
from transforms.kernels.parse import ERROR_TYPES, Limits, Parsed, parse_records
from transforms.kernels.records import RawRecords, Rejection, Rejections

NOW = datetime(2025, 6, 1, 12, 30, 0, 5)
MAX_FUTURE_MINUTES = 90
EVENT_TYPES = ("miles_earned", "miles_redeemed", "share", "like", "reward_search")
PLATFORMS = ("iOS", "Android", "Web")

Row = tuple[str, str, str, str, str, str, str, str]
Event = tuple[datetime, str, str, str | None, int | None, str, str | None, str | None]

GOOD: Row = ("2025-01-31T12:34:56Z", "u1", "miles_earned", "Flight", "575", "iOS", "paid", "DE")


def reference(row: Row) -> Event | str:
    """The event that a record is, or the first rule that it breaks."""
    text, user, kind, category, amount, platform, source, country = (f.strip() for f in row)
    if not re.sub(r"[\s\x00\u200b\ufeff\u2060]", "", user):
        return "missing_user_id"
    try:
        time = datetime.fromisoformat(text if len(text) > len("2025-01-01") else "")
    except ValueError:
        return "bad_event_time"
    time = time.replace(tzinfo=time.tzinfo or UTC)
    latest = NOW.replace(tzinfo=UTC) + timedelta(minutes=MAX_FUTURE_MINUTES)
    if not datetime(2000, 1, 1, tzinfo=UTC) <= time <= latest:
        return "event_time_out_of_range"
    if kind not in EVENT_TYPES:
        return "unknown_event_type"
    miles = None
    if kind.startswith("miles"):
        if not amount:
            return "missing_miles_amount"
        if not re.fullmatch("[0-9]+(.0+)?", amount):
            return "bad_miles_amount"
        miles = int(amount.split(".")[0])
        if miles > 1_000_000_000_000:
            return "too_many_miles"
    names = {name.lower(): name for name in PLATFORMS}
    if platform.lower() not in names:
        return "unknown_platform"
    if country and not re.fullmatch("[A-Za-z]{2}", country):
        return "bad_country"
    return (
        time.astimezone(UTC),
        user,
        kind,
        category or None,
        miles,
        names[platform.lower()],
        source.lower() or None,
        country.upper() or None,
    )


@dataclass(frozen=True)
class Numbered:
    """An origin whose rows are known by their number."""

    rows: int

    def sizes(self) -> NDArray[np.int64]:
        return np.full(self.rows, 5)

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [b"row %d" % row for row in rows]

    def position(self, row: int) -> str:
        return str(row)

    def attributes(self, row: int) -> str | None:
        return None


def parse(rows: list[Row], *, encoded: bool = False, broken: int = 0) -> Parsed:
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(8)]
    if encoded:
        columns = [column.dictionary_encode() for column in columns]
    unreadable = [Rejection.unreadable("malformed_row", "m", b"p", str(i)) for i in range(broken)]
    raw = RawRecords(columns, Numbered(len(rows)), "f", Rejections.of(unreadable))
    return parse_records(raw, NOW, Limits(MAX_FUTURE_MINUTES))


def events_of(parsed: Parsed) -> list[Event]:
    assert parsed.events.schema.equals(EVENT_BATCH)
    parsed.events.validate(full=True)
    columns = zip(*(column.to_pylist() for column in parsed.events.columns[:8]), strict=True)
    return [
        (time.replace(tzinfo=UTC), user, EVENT_TYPES[kind], label, miles, PLATFORMS[on], *rest)
        for time, user, kind, label, miles, on, *rest in columns
    ]


def hashes_of(parsed: Parsed) -> Hashes:
    events = pa.Table.from_batches([parsed.events])
    return event_ids(events, digests(parsed.events["user_id"]), np.arange(len(parsed.events)))


def ids_of(parsed: Parsed) -> list[str]:
    return [str(digits) for digits in ascii_array(event_digits(hashes_of(parsed))).to_pylist()]


GOOD_TIMES = ["2025-01-01T00:00:00Z", "2025-01-01T01:00:00+01:00", " 2025-01-01 00:00:00.0"]
GOOD_TIMES += ["2025-01-01T00:00:00.000001", "2000-01-01T00:00:00", "2025-06-01T14:00:00.000005Z"]
BAD_TIMES = ["", "yesterday", "2025-01-01", "2025-02-30T00:00:00Z", "1999-12-31T23:59:59.999999Z"]
BAD_TIMES += ["2000-01-01T00:00:00+00:01", "2025-06-01T14:00:00.000006Z", "9999-12-31T23:59:59-01"]
GOOD_FIELDS = (
    GOOD_TIMES,
    ["u1", "u2", " u1\t", "ü", "u" * 65, "u1\x00", "\u200bu"],
    [*EVENT_TYPES, " share "],
    ["", " ", "a", "A", "b", "a ", "x" * 70],
    ["0", "1", "1.0", "01", "1000000000000.00"],
    ["ios", "iOS", " WEB", "android"],
    ["", "a", "A", "b"],
    ["", "de", "DE ", "at"],
)
BAD_FIELDS = (
    BAD_TIMES,
    ["", " ", "\u3000", "\x00", "\u200b", " \ufeff\u2060 \x00"],
    ["", "Share", "shares"],
    [""],
    ["", "-1", "1.5", "x", "1000000000001", "9" * 30],
    ["", "windows"],
    [""],
    ["D", "DEU", "1a"],
)
good_rows = st.tuples(*(st.sampled_from(texts) for texts in GOOD_FIELDS))
mixed_rows = st.tuples(
    *(st.sampled_from([*good * 3, *bad]) for good, bad in zip(GOOD_FIELDS, BAD_FIELDS, strict=True))
)
batches = st.lists(st.one_of(good_rows, mixed_rows), max_size=12)


class TestAnyRecords:
    @settings(max_examples=examples(66, 200), deadline=None)
    @given(rows=batches, encoded=st.booleans(), broken=st.integers(0, 2))
    def test_each_is_the_event_or_the_rejection_of_the_reference(
        self, rows: list[Row], encoded: bool, broken: int
    ) -> None:
        parsed = parse(rows, encoded=encoded, broken=broken)
        expected = [reference(row) for row in rows]
        assert events_of(parsed) == [event for event in expected if not isinstance(event, str)]
        rejected = [(str(i), error) for i, error in enumerate(expected) if isinstance(error, str)]
        rejected += [(str(i), "malformed_row") for i in range(broken)]
        assert [(r.position, r.error_type) for r in parsed.rejections] == rejected
        assert len(rows) + broken == parsed.events.num_rows + len(parsed.rejections)
        assert parsed.ignored_amounts == sum(
            bool(row[4].strip()) and not isinstance(event, str) and event[4] is None
            for row, event in zip(rows, expected, strict=True)
        )

    @settings(max_examples=examples(33, 100), deadline=None)
    @given(rows=st.lists(good_rows, max_size=20))
    def test_ids_are_equal_where_events_are(self, rows: list[Row]) -> None:
        parsed = parse(rows)
        ids, events = ids_of(parsed), events_of(parsed)
        assert len(set(ids)) == len(set(events)) == len(set(zip(ids, events, strict=True)))

    @settings(max_examples=examples(20, 60), deadline=None)
    @given(rows=batches, data=st.data())
    def test_ids_depend_on_nothing_but_the_event(
        self, rows: list[Row], data: st.DataObject
    ) -> None:
        parsed = parse(rows)
        alone = [parse([row]) for row in rows]
        assert ids_of(parsed) == [id_ for one in alone for id_ in ids_of(one)]
        columns = []
        for i in range(8):
            texts = data.draw(st.permutations(sorted({"", "unused", *(row[i] for row in rows)})))
            indices = pa.array([texts.index(row[i]) for row in rows], pa.int32())
            columns.append(pa.DictionaryArray.from_arrays(indices, pa.array(texts)))
        raw = RawRecords(columns, Numbered(len(rows)), "f")
        shuffled = parse_records(raw, NOW, Limits(MAX_FUTURE_MINUTES))
        assert ids_of(shuffled) == ids_of(parsed)
        assert events_of(shuffled) == events_of(parsed)


def row_with(**texts: str) -> Row:
    names = ("time", "user", "kind", "category", "amount", "platform", "source", "country")
    assert texts.keys() <= set(names)
    time, user, kind, category, amount, platform, source, country = (
        texts.get(name, good) for name, good in zip(names, GOOD, strict=True)
    )
    return time, user, kind, category, amount, platform, source, country


# What breaks each rule, in the order of the rules.
BREAKING = (
    ("missing_user_id", {"user": " "}),
    ("bad_event_time", {"time": "soon"}),
    ("event_time_out_of_range", {"time": "1999-12-31T00:00:00Z"}),
    ("unknown_event_type", {"kind": "Share"}),
    ("missing_miles_amount", {"amount": ""}),
    ("bad_miles_amount", {"amount": "-5"}),
    ("too_many_miles", {"amount": "1000000000001"}),
    ("unknown_platform", {"platform": "Windows"}),
    ("bad_country", {"country": "Germany"}),
)


class TestRejections:
    def test_rules_are_tried_in_order(self) -> None:
        assert tuple(error for error, _ in BREAKING) == ERROR_TYPES[2:-1]
        for first, (error, texts) in enumerate(BREAKING):
            for _, more in BREAKING[first:]:
                (rejection,) = parse([row_with(**{**more, **texts})]).rejections
                assert rejection.error_type == error

    @pytest.mark.parametrize(("error", "texts"), BREAKING)
    def test_tell_what_is_wrong_and_what_could_be_read(
        self, error: str, texts: dict[str, str]
    ) -> None:
        (value,) = texts.values()
        parsed = parse([GOOD, row_with(**texts)])
        (rejection,) = parsed.rejections
        assert (rejection.stage, rejection.error_type) == ("validate", error)
        assert (rejection.payload, rejection.position) == (b"row 1", "1")
        assert value.strip() in rejection.message
        assert (rejection.user_id is None) == (error == "missing_user_id")
        assert (rejection.event_time_us is None) == (error == "bad_event_time")
        assert rejection.event_type == texts.get("kind", "miles_earned")

    def test_message_is_one_short_line(self) -> None:
        for value in ("a\nb\r\x00\u2028", "x" * 10_000_000):
            (rejection,) = parse([row_with(country=value)]).rejections
            assert len(rejection.message.splitlines()) == 1
            assert len(rejection.message) < 200

    @pytest.mark.parametrize(
        ("time", "kept"),
        [
            ("0000-12-31T23:59:59Z", False),
            ("0001-01-01T00:00:00+00:01", False),
            ("0001-01-01T00:00:00Z", True),
            ("9999-12-31T23:59:59.999999Z", True),
            ("9999-12-31T23:59:59-00:01", False),
        ],
    )
    def test_only_times_that_a_timestamp_holds_are_kept(self, time: str, kept: bool) -> None:
        (rejection,) = parse([row_with(time=time)]).rejections
        assert rejection.error_type == "event_time_out_of_range"
        assert (rejection.event_time_us is not None) == kept


class TestIds:
    def test_of_fixed_events_stay(self) -> None:
        nothing: Row = ("2000-01-01 00:00:00", "ü", "like", "", "", "web", "", "")
        assert ids_of(parse([GOOD, nothing, row_with(user="u" * 65)])) == [
            "DbaR64lBH3FSvwBGos_fl-",
            "T6CEcNETFQNCFWyp14AHOV",
            "huhe-ga9phUZPK7JKFdaBF",
        ]

    def test_of_events_that_differ_in_one_column_differ(self) -> None:
        other = {"time": "2025-01-31T12:34:56.000001Z", "user": "u2", "kind": "miles_redeemed"}
        other |= {"category": "", "amount": "0", "platform": "Web", "source": "", "country": ""}
        rows = [GOOD, *(row_with(**{name: text}) for name, text in other.items())]
        rows += [row_with(category="paid", source="Flight"), row_with(category="DE", country="")]
        rows += [row_with(source="", category="paid"), row_with(kind="like"), row_with(amount="1")]
        assert len(set(ids_of(parse(rows)))) == len(rows)

    def test_of_two_hundred_thousand_similar_events_differ_in_either_half(self) -> None:
        times = [f"2025-01-01T00:00:{i // 10:02}.{i % 10}Z" for i in range(100)]
        users = [f"u{i}" for i in range(50)]
        amounts = [str(i) for i in range(10)]
        rows: list[Row] = [
            (time, user, "miles_earned", category, amount, "iOS", source, "")
            for time, user, amount, (category, source) in product(
                times, users, amounts, product(("", "a"), repeat=2)
            )
        ]
        parsed = parse(rows)
        assert len(rows) == 200_000
        hashes = hashes_of(parsed)
        for half in (hashes.high, hashes.low):
            assert len(np.unique(half)) == len(rows)
