"""Text -> event time, against a regular expression and Python's datetime."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.thorough import examples
from transforms.kernels.event_time import parse_event_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
GRAMMAR = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:Z| UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)
# The Gregorian calendar repeats itself after so many years and days; datetime has no year 0.
CYCLE_YEARS, CYCLE_DAYS = 400, 146_097


def reference(text: str) -> int | None:
    """Microseconds since 1970 in UTC; None if the text is no time."""
    match = GRAMMAR.fullmatch(text)
    if match is None:
        return None
    *date_time, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, date_time)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= timedelta(days=1) or int(minutes or 0) > 59:
        return None
    early = year < CYCLE_YEARS
    try:
        time = datetime(year + early * CYCLE_YEARS, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    since = time - EPOCH - timedelta(days=early * CYCLE_DAYS)
    since += -offset if sign != "-" else offset
    return since // MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))


def parse(texts: list[str]) -> list[int | None]:
    times, known = parse_event_times(pa.array(texts, pa.string()))
    return [time if ok else None for time, ok in zip(times.tolist(), known.tolist(), strict=True)]


dates = st.one_of(
    st.dates().map(str),
    st.sampled_from(["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-02-29"]),
    st.sampled_from(["0000-01-01", "0001-01-01", "9999-12-31", "2025-00-10", "2025-13-10"]),
    st.sampled_from(["2025-04-31", "2025-04-00", "2025-04-32", "2025-99-99"]),
)
clocks = st.one_of(
    st.times().map(lambda time: time.isoformat("seconds")),
    st.sampled_from(["23:59:59", "24:00:00", "23:60:00", "23:59:60", "00:00:00", "99:99:99"]),
)
fractions = st.one_of(
    st.just(""), st.text("0123456789", min_size=1, max_size=30).map(lambda digits: "." + digits)
)
zones = st.one_of(
    st.sampled_from(["", "Z", " UTC", "+00:00", "-00:00", "+0530", "+05", "-23:59", "+23:59"]),
    st.sampled_from(["+24:00", "-00:60", "+0060", "z", "UTC", "  UTC", " utc", "+5", "+05:3"]),
    st.from_regex(
        r"[+-][0-9]{2}(:?[0-9]{2})?", fullmatch=True, alphabet=st.characters(codec="ascii")
    ),
)
likely = st.builds("{}{}{}{}{}".format, dates, st.sampled_from("T "), clocks, fractions, zones)


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """Texts like times, with some characters put in, taken out or exchanged."""
    text = draw(likely)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        put = draw(st.sampled_from([*"0129-+:. TZz,/", "", "\x00", "\n", "é", "\u0663"]))
        text = text[:at] + put + text[at + draw(st.integers(0, 1)) :]
    return text


class TestAnyText:
    @settings(max_examples=examples(100, 300), deadline=None)
    @given(texts=st.lists(near_misses(), max_size=8))
    def test_times_are_those_of_the_reference(self, texts: list[str]) -> None:
        assert parse(texts) == [reference(text) for text in texts]

    @settings(max_examples=examples(33, 100), deadline=None)
    @given(
        texts=st.lists(st.one_of(near_misses(), st.text(max_size=40)), max_size=6), data=st.data()
    )
    def test_times_do_not_depend_on_neighbours_and_slices(
        self, texts: list[str], data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(texts)))
        length = data.draw(st.integers(0, len(texts) - start))
        times, known = parse_event_times(pa.array(texts, pa.string()).slice(start, length))
        part = texts[start : start + length]
        assert [time if ok else None for time, ok in zip(times.tolist(), known, strict=True)] == [
            parse([text])[0] for text in part
        ]

    @settings(max_examples=examples(50, 150), deadline=None)
    @given(time=st.datetimes(), minutes=st.integers(-1439, 1439), separator=st.sampled_from("T "))
    def test_what_python_writes_is_what_it_means(
        self, time: datetime, minutes: int, separator: str
    ) -> None:
        offset = timedelta(minutes=minutes)
        text = time.replace(tzinfo=timezone(offset)).isoformat(separator)
        assert parse([text]) == [(time.replace(tzinfo=UTC) - EPOCH - offset) // MICROSECOND]


BAD_ENDS = ["z", ".", ".Z", ",5", " Z", " +00:00", "UTC", " GMT", "+1", "+01:0", "+01:00:00", "+24"]
BAD_ENDS += ["-00:60", "+010", "ZZ", "\x00", ".\u0663", "\u221201:00", ".1234567x", ".1 ", "\n"]
BAD_ENDS += ["." + "1" * 40 + "x", ".1.1234567", ".123456.1234567", "Z" * 1000]
REFUSED = ["2025-01-01T00:00:00" + end for end in BAD_ENDS]
REFUSED += ["", "Z", "2025-01-01", "2025-01-01T00:00", "20250101T000000Z", "2025-W01-1T00:00:00Z"]
REFUSED += ["1735689600", "01/02/2025 00:00:00", "2025-1-1T00:00:00", "2025-01-01t00:00:00Z"]
REFUSED += ["2025-01-01T24:00:00Z", "2025-01-01T23:59:60Z", "2025-01-01T23:60:00Z"]
REFUSED += ["2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "12025-01-01T00:00:00"]
REFUSED += ["+2025-01-01T00:00:00", "-025-01-01T00:00:00", "2025\u201001\u201001T00:00:00"]
REFUSED += ["\uff12\uff10\uff12\uff15-01-01T00:00:00", "2025-01-01T00:00:0\u0663"]


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "same"),
        [
            ("2025-01-31T12:34:56", "2025-01-31T12:34:56+00:00"),
            ("2025-01-31 12:34:56", "2025-01-31T12:34:56+00:00"),
            ("2025-01-31T12:34:56Z", "2025-01-31T12:34:56+00:00"),
            ("2025-01-31 12:34:56 UTC", "2025-01-31T12:34:56+00:00"),
            ("2025-01-31T12:34:56.7 UTC", "2025-01-31T12:34:56.700000+00:00"),
            ("2025-01-31T12:34:56-00:00", "2025-01-31T12:34:56+00:00"),
            ("2025-01-31T12:34:56+0530", "2025-01-31T07:04:56+00:00"),
            ("2025-01-31T12:34:56+05", "2025-01-31T07:34:56+00:00"),
            ("2025-01-31T12:34:56-23:59", "2025-02-01T12:33:56+00:00"),
            ("2024-03-01T00:00:00+00:01", "2024-02-29T23:59:00+00:00"),
            ("2000-02-29T23:59:59.999999Z", "2000-02-29T23:59:59.999999+00:00"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ],
    )
    def test_every_form_of_the_grammar(self, text: str, same: str) -> None:
        assert parse([text]) == [(datetime.fromisoformat(same) - EPOCH) // MICROSECOND]

    @pytest.mark.parametrize("digits", range(1, 31))
    @pytest.mark.parametrize("zone", ["", "Z", " UTC", "+01:00", "-0100", "+01"])
    def test_digits_beyond_the_sixth_are_cut_off(self, digits: int, zone: str) -> None:
        fraction = ("987654" + "9" * 30)[:digits]
        offset = {"+01:00": -3600, "-0100": 3600, "+01": -3600}.get(zone, 0)
        expected = 1_735_689_600 + offset, int(fraction[:6].ljust(6, "0"))
        text = f"2025-01-01T00:00:00.{fraction}{zone}"
        assert [divmod(time or 0, 10**6) for time in parse([text])] == [expected]
        assert parse([text, "2025-01-01T00:00:00.1"])[0] == parse([text])[0]

    def test_year_zero_is_a_leap_year_before_year_one(self) -> None:
        last, first = parse(["0000-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
        assert last == (first or 0) - 1_000_000
        assert parse(["0000-02-29T00:00:00Z"]) != [None]

    @pytest.mark.parametrize("text", REFUSED)
    def test_anything_else_is_refused(self, text: str) -> None:
        assert parse([text]) == [None]
        assert parse(["2025-01-01T00:00:00Z", text, "2025-01-01T00:00:00Z"])[1] is None

    def test_each_day_of_four_centuries_follows_the_last(self) -> None:
        days = np.arange("1999-12-31", "2400-01-02", dtype="datetime64[D]")
        times, known = parse_event_times(pa.array([f"{day}T00:00:00" for day in days]))
        assert known.all()
        assert (times == days.astype("datetime64[us]").astype(np.int64)).all()

    def test_no_texts_make_no_times(self) -> None:
        assert parse([]) == []
        times, known = parse_event_times(pa.array(["x", "y"])[1:1])
        assert (len(times), len(known)) == (0, 0)

    def test_ten_megabytes_are_no_time(self) -> None:
        for text in ("9" * 10_000_000, "2025-01-01T00:00:00." + "9" * 10_000_000 + "x"):
            assert parse(["2025-01-01T00:00:00Z", text]) == [1_735_689_600_000_000, None]
