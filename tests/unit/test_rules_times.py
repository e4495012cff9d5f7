"""Times by rules, against Python's own reading of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rules.model import EPOCHS, ISO, TimeRules
from transforms.rules.times_sql import has_zone, time_sql

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Tokyo")
EPOCH = datetime(1970, 1, 1)
MOMENTS = st.datetimes(datetime(2000, 1, 2), datetime(2037, 12, 30))
WHOLE_SECONDS = MOMENTS.map(lambda moment: moment.replace(microsecond=0))


def read(rules: TimeRules, *texts: str) -> list[str | None]:
    # Of the module's own database: to make one takes 12 ms.
    with duckdb.cursor() as database:
        database.register("rows", pa.table({"text": pa.array(texts)}))
        found = database.sql(f"SELECT {time_sql('text', rules)} FROM rows").fetchall()
    return [text for (text,) in found]


def moments(rules: TimeRules, *texts: str) -> list[datetime]:
    return [datetime.fromisoformat(str(text)) for text in read(rules, *texts)]


def utc_of(local: datetime, zone: str) -> datetime:
    """By the smaller of the offsets that a local time has before and after a change of clocks."""
    offsets = [local.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)]
    return local - min(offset for offset in offsets if offset is not None)


@given(st.lists(WHOLE_SECONDS, min_size=1), st.sampled_from(ZONES))
def test_local_times_are_those_of_zoneinfo(local: list[datetime], zone: str) -> None:
    expected = [utc_of(moment, zone) for moment in local]
    pattern = TimeRules(("%d.%m.%Y %H:%M:%S",), zone)
    assert moments(pattern, *(f"{moment:%d.%m.%Y %H:%M:%S}" for moment in local)) == expected
    iso = TimeRules((ISO,), zone)
    assert moments(iso, *(moment.isoformat() for moment in local)) == expected


@pytest.mark.parametrize("zone", ZONES)
def test_changes_of_clocks_are_those_of_zoneinfo(zone: str) -> None:
    """Every ten minutes of the days around each change in some years."""
    around = [
        day + timedelta(hours=-24, minutes=10 * step)
        for year in (2007, 2026)
        for number in range(365)
        for day in [datetime(year, 1, 2) + timedelta(days=number)]
        if utc_of(day, zone) - day
        != utc_of(day - timedelta(days=1), zone) - day + timedelta(days=1)
        for step in range(144)
    ]
    if zone in ("Asia/Kathmandu", "Asia/Tokyo"):
        assert not around
        return
    found = moments(TimeRules((ISO,), zone), *(moment.isoformat(" ") for moment in around))
    assert len(around) >= 4 * 144
    assert found == [utc_of(moment, zone) for moment in around]


def test_a_gap_and_a_repeat_are_read_by_winter_time() -> None:
    berlin = TimeRules(("%d.%m.%Y %H:%M",), "Europe/Berlin")
    assert read(berlin, "29.03.2026 02:30", "25.10.2026 02:30") == [
        "2026-03-29 01:30:00",
        "2026-10-25 01:30:00",
    ]


@given(st.lists(MOMENTS, min_size=1), st.sampled_from(sorted(EPOCHS)))
def test_whole_epochs(found: list[datetime], name: str) -> None:
    unit = EPOCHS[name]
    numbers = [(moment - EPOCH) // timedelta(microseconds=unit) for moment in found]
    expected = [EPOCH + timedelta(microseconds=number * unit) for number in numbers]
    assert moments(TimeRules((name,)), *map(str, numbers)) == expected


@given(st.decimals("-1e8", "4e9", places=9), st.sampled_from(["{:f}", "{:e}"]))
def test_fractions_of_seconds_are_cut_to_microseconds(number: Decimal, written: str) -> None:
    text = written.format(number)
    us = int((Decimal(text) * 1_000_000).to_integral_value(ROUND_FLOOR))
    assert moments(TimeRules(("epoch_s",)), text) == [EPOCH + timedelta(microseconds=us)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%m/%d/%Y %I:%M:%S %p", "07/01/2026 03:01:19 PM", datetime(2026, 7, 1, 15, 1, 19)),
        ("%m/%d/%y %H:%M", "7/1/26 3:01", datetime(2026, 7, 1, 3, 1)),
        ("%Y-%m-%d", "2026-07-01", datetime(2026, 7, 1)),
        ("%d %b %Y", "01 Jul 2026", datetime(2026, 7, 1)),
        ("%A, %d %B %Y", "Wednesday, 1 July 2026", datetime(2026, 7, 1)),
        ("%Y%m%d%H%M%S", "20260701030119", datetime(2026, 7, 1, 3, 1, 19)),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-07-01 03:01:19.5", datetime(2026, 7, 1, 3, 1, 19, 500_000)),
        ("%Y-%m-%d %H:%M:%S %z", "2026-07-01 03:01:19 +0200", datetime(2026, 7, 1, 1, 1, 19)),
    ],
)
def test_patterns_are_those_of_strptime(pattern: str, text: str, expected: datetime) -> None:
    assert moments(TimeRules((pattern,)), text) == [expected]
    python = datetime.strptime(text, pattern)
    assert (python.astimezone(UTC).replace(tzinfo=None) if python.tzinfo else python) == expected


def test_an_offset_of_its_own_comes_before_the_zone() -> None:
    assert has_zone("%Y %z") and has_zone("%Z") and not has_zone("%%z %Y")
    rules = TimeRules(("%Y-%m-%d %H:%M %z",), "Asia/Tokyo")
    assert read(rules, "2026-07-01 03:01 +02:00") == ["2026-07-01 01:01:00"]
    iso = TimeRules((ISO,), "Asia/Tokyo")
    assert read(iso, "2026-07-01T03:01:00Z") == ["2026-07-01T03:01:00Z"]


def test_the_first_format_that_fits_counts_and_iso_comes_last() -> None:
    rules = TimeRules((ISO, "%d.%m.%Y", "epoch_s"))
    found = read(rules, "01.07.2026", "86400", "2026-07-01T00:00:00Z", "x")
    assert found == ["2026-07-01 00:00:00", "1970-01-02 00:00:00", "2026-07-01T00:00:00Z", "x"]


@pytest.mark.parametrize("name", sorted(EPOCHS))
def test_what_is_no_epoch_is_none(name: str) -> None:
    strange = [
        "",
        "x",
        "1e99",
        "9" * 18,
        "-" + "9" * 18,
        "9" * 40,
        "nan",
        "inf",
        "1_0",
        "0x10",
        "٣",
    ]
    assert read(TimeRules((name,)), *strange) == [None] * len(strange)


@pytest.mark.parametrize("zone", [None, "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("pattern", ["%Y-%m-%d", "%d.%m.%Y %H:%M:%S %z", "%y", "%H:%M"])
def test_strange_texts_are_none_and_never_raise(zone: str | None, pattern: str) -> None:
    strange = ["", "infinity", "-Infinity", "epoch", "2026-02-30", "294247-01-10", "290309-12-22"]
    strange += ["-290308-01-01", "0000-01-01", "10000-01-01", "2026-07-01 x", "24:00", "\0", "💥"]
    found = read(TimeRules((pattern,), zone), *strange)
    assert all(text is None or text[:4].isdigit() for text in found)
    assert found[:6] == [None] * 6


@given(st.text(), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y %H:%M", *EPOCHS]), st.sampled_from(ZONES))
def test_any_text_is_a_time_or_none(text: str, name: str, zone: str) -> None:
    (found,) = read(TimeRules((name,), zone), text)
    assert found is None or datetime.fromisoformat(found)
