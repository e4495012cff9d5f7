"""Dates and weeks in a reporting zone: those of zoneinfo and plain SQL, however events come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.commands.rebuild import RebuildCommandOptions as Options
from pipeline.errors import OptionError
from tests.support.tables import compute, csv_text, differences, oracle_tables, parse, row
from tests.support.thorough import examples
from tests.support.updates import Home as DuckDB
from tests.support.updates import differing
from tests.unit.test_contributions import assert_equal
from tests.unit.test_increments import Home, assert_is_a_batch
from tests.unit.test_user_state import User
from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import date_of, first_days_of_weeks, other_dates, week_of
from transforms.kernels.codecs.timeline_codec import decode_timelines, encode_timelines
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.kernels.user_head import timelines_of_heads
from transforms.kernels.zones import leaps_of, named_zone, zone_names
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.results import conclude
from transforms.reckoning import Reckoning, WeekStart
from transforms.vocabulary import EVENT_TYPES

_SETTINGS = settings(
    max_examples=examples(4, 200), deadline=None, suppress_health_check=list(HealthCheck)
)
EPOCH: Final = date(1970, 1, 1)
# Half-hour zones, days of 23 and 25 hours, rules that changed, a date that there never was, and two
# in which clocks go from 00:01 back to 23:01: a date comes back.
ZONES: Final = (
    "Asia/Singapore",
    "Europe/Lisbon",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
STARTS: Final = {
    "Asia/Singapore": [datetime(2024, 2, 29, 15, 50), datetime(2023, 12, 31, 16)],
    "Europe/Lisbon": [datetime(2024, 3, 30, 23, 50), datetime(2024, 10, 26, 22, 45)],
    "America/Sao_Paulo": [datetime(2018, 11, 4, 2, 50), datetime(2018, 2, 18, 1, 40)],
    "Pacific/Apia": [datetime(2011, 12, 30, 9, 40), datetime(2011, 12, 28, 10, 30)],
    "America/St_Johns": [datetime(2009, 11, 1, 2, 25), datetime(2009, 10, 31, 2, 20)],
    "Asia/Kathmandu": [datetime(2024, 1, 31, 18, 10)],
    "Australia/Lord_Howe": [datetime(2024, 4, 6, 12, 50)],
    "Africa/Casablanca": [datetime(2024, 3, 10, 1, 50)],
}
STEPS: Final = [
    *(timedelta(minutes=minutes) for minutes in (0, 4, 6, 20, 29, 31, 45, 70, 95, 150)),
    *(timedelta(days=days, minutes=10) for days in (1, 2, 6, 7, 8, 27, 28, 29, 31, 60)),
]
Rows = list[dict[str, str]]


def micros(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1))


def local_date(time_us: int, zone: str) -> date:
    """By zoneinfo."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.astimezone(ZoneInfo(zone)).date()


def dates(times_us: Sequence[int], reckoning: Reckoning) -> list[date]:
    found = date_of(np.array(times_us, np.int64), reckoning)
    return [EPOCH + timedelta(days=day) for day in found.tolist()]


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A zone and instants in it, many of them where its clocks leap."""
    zone = draw(st.sampled_from(ZONES))
    leaps = leaps_of(zone).at_us
    last = micros(datetime(2024, 12, 31))
    leaps = leaps[(leaps > 0) & (leaps < last)]
    at = st.sampled_from(leaps.tolist()) if len(leaps) else st.just(0)
    near = st.builds(int.__add__, at, st.integers(-90_000_000_000, 90_000_000_000))
    edges = st.builds(int.__add__, at, st.sampled_from([-1, 0, 1]))
    return zone, draw(st.lists(near | edges | st.integers(0, last), min_size=1))


@_SETTINGS
@given(drawn=moments())
def test_dates_are_those_of_zoneinfo(drawn: tuple[str, list[int]]) -> None:
    zone, times_us = drawn
    expected = [local_date(time_us, zone) for time_us in times_us]
    assert dates(times_us, Reckoning(zone)) == expected


def test_singapore_moved_its_clocks_by_half_an_hour_in_1982() -> None:
    times = [
        datetime(1981, 12, 30, 16, 29),
        datetime(1981, 12, 30, 16, 30),
        datetime(1981, 12, 31, 15, 59),
        datetime(1981, 12, 31, 16),
        datetime(1982, 1, 1, 16),
    ]
    found = dates([micros(time) for time in times], Reckoning("Asia/Singapore"))
    assert found == [
        date(1981, 12, 30),
        *[date(1981, 12, 31)] * 2,
        *(date(1982, 1, day) for day in (1, 2)),
    ]


def test_samoa_had_no_30th_of_december_2011() -> None:
    hours = [micros(datetime(2011, 12, 29, 12)) + hour * 3_600_000_000 for hour in range(48)]
    found = sorted(set(dates(hours, Reckoning("Pacific/Apia"))))
    assert found == [date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]


@pytest.mark.parametrize(("hours", "first"), [(23, (2024, 3, 31)), (25, (2024, 10, 27))])
def test_days_have_23_and_25_hours(hours: int, first: tuple[int, int, int]) -> None:
    start = datetime(*first, tzinfo=ZoneInfo("Europe/Lisbon")).astimezone(UTC)
    quarters = micros(start.replace(tzinfo=None)) + np.arange(200) * 900_000_000
    found = date_of(quarters, Reckoning("Europe/Lisbon"))
    assert (found == (date(*first) - EPOCH).days).sum() == 4 * hours


@given(days=st.lists(st.integers(0, 40_000), min_size=1), start=st.sampled_from([0, 6]))
def test_weeks_begin_on_their_day(days: list[int], start: int) -> None:
    name: WeekStart = "monday" if start == 0 else "sunday"
    reckoning = Reckoning(week_start=name)
    weeks = week_of(np.array(days), reckoning)
    found = first_days_of_weeks(weeks, reckoning).tolist()
    for day, first in zip(days, found, strict=True):
        since = (EPOCH + timedelta(days=day) - first).days
        assert 0 <= since < 7
        assert first.weekday() == start
    assert week_of(np.array([0]), reckoning).tolist() == [0]


@_SETTINGS
@given(drawn=moments(), minutes=st.sampled_from([20, 30, 90, 480]), back=st.booleans())
def test_no_date_within_reach_is_left_out(
    drawn: tuple[str, list[int]], minutes: int, back: bool
) -> None:
    zone, times_us = drawn
    reckoning, reach_us = Reckoning(zone), (-1 if back else 1) * (minutes * 60_000_000 - 1)
    rows, found = other_dates(np.array(times_us, np.int64), reach_us, reckoning)
    for number, time_us in enumerate(times_us):
        ours = {EPOCH + timedelta(days=day) for day in found[rows == number].tolist()}
        steps = [time_us + reach_us * part // 400 for part in range(401)]
        assert {local_date(step, zone) for step in steps} <= ours | {local_date(time_us, zone)}


def test_every_zone_is_known_by_its_name() -> None:
    named = [name for name in zone_names() if "/" in name]
    assert len(named) > 400
    assert {named_zone(name) for name in ZONES} == set(ZONES)
    assert {named_zone(name) for name in ("UTC", "Etc/UTC", "GMT")} == {"UTC"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Singapore", "Asia/Singapore"),
        ("asia/singapore", "Asia/Singapore"),
        ("Europe/Berln", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Rome", "Europe/Rome"),
    ],
)
def test_an_unknown_zone_names_one_that_is_near(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"no time zone.*did you mean {meant}"):
        named_zone(text)


@pytest.mark.parametrize("text", ["CET", "EST", "AKST", "+08:00", "UTC+8", "GMT-05:30", "8"])
def test_nothing_is_guessed_of_abbreviations_and_offsets(text: str) -> None:
    with pytest.raises(ValueError, match=r"like Europe/Berlin; .* Etc/GMT-8 for UTC\+8$"):
        named_zone(text)


def test_an_option_that_names_no_zone_is_refused() -> None:
    with pytest.raises(OptionError, match=r"--timezone Singapore is no .*Asia/Singapore"):
        assert Options(timezone="Singapore").asked_figures
    asked = Options(timezone="Etc/UTC", week_start="sunday").asked_figures
    assert asked is not None
    assert asked.first().reckoning == Reckoning("UTC", "sunday")
    assert Options().asked_figures is None


@st.composite
def reckonings(draw: st.DrawFn) -> Reckoning:
    start: WeekStart = draw(st.sampled_from(["monday", "sunday"]))
    return Reckoning(draw(st.sampled_from(ZONES)), start, draw(st.sampled_from([30, 20, 90])))


@st.composite
def rows_in(draw: st.DrawFn, zone: str) -> Rows:
    """Events of few users around the edges of a zone's dates, sessions and leaps."""
    times = st.builds(
        lambda start, step, back: start - step if back else start + step,
        st.sampled_from(STARTS[zone]),
        st.sampled_from(STEPS),
        st.booleans(),
    )
    drawn = draw(
        st.lists(
            st.tuples(times, st.sampled_from(["ann", "bob", "cy"]), st.sampled_from(EVENT_TYPES)),
            min_size=1,
            max_size=30,
        )
    )
    return [
        row(
            f"{time.isoformat()}Z",
            user,
            kind,
            amount="10" if kind.startswith("miles") else "",
            source="paid" if user == "ann" else "",
        )
        for time, user, kind in drawn
    ]


@_SETTINGS
@given(reckoning=reckonings(), data=st.data())
def test_all_tables_are_those_of_plain_sql(
    reckoning: Reckoning, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = csv_text(data.draw(rows_in(reckoning.zone)))
    path = tmp_path_factory.mktemp("zones") / "events.csv"
    path.write_bytes(text)
    active = data.draw(st.sampled_from([EVENT_TYPES, ("like", "share")]))
    batches = [part.events for part in parse(text)]
    ours = compute(batches, active, reckoning=reckoning)
    with oracle_tables(path, ours, active, reckoning=reckoning) as theirs:
        assert differences(theirs, ours) == {}
    checks = all_checks(FigureSettings(active, reckoning=reckoning))
    over = ArrowChecks(checks, TABLES)
    counts = over.evaluate({name: table for name, table in ours.items() if name in TABLES})
    over.close()
    failed = [result.check.check_id for result in conclude(checks, counts) if result.failing_rows]
    assert failed == []


@_SETTINGS
@given(reckoning=reckonings(), data=st.data())
def test_updates_in_any_split_come_to_one_batch(reckoning: Reckoning, data: st.DataObject) -> None:
    rows = data.draw(rows_in(reckoning.zone))
    home, waiting = Home(reckoning=reckoning), data.draw(st.permutations(rows))
    while waiting:
        size = data.draw(st.integers(1, len(waiting)))
        home.update(waiting[:size], near=data.draw(st.booleans()))
        waiting = waiting[size:]
    assert_is_a_batch(home, rows)


@_SETTINGS
@given(reckoning=reckonings(), data=st.data())
def test_the_state_of_a_stream_comes_to_the_timelines_of_a_batch(
    reckoning: Reckoning, data: st.DataObject
) -> None:
    rows = [{**item, "user_id": "ann"} for item in data.draw(rows_in(reckoning.zone))]
    user, waiting = User(reckoning), data.draw(st.permutations(rows))
    for item in waiting:
        user.take([item])
    batches = [part.events for part in parse(csv_text(rows))]
    expected = timelines(sort_events(batches, EVENT_TYPES, reckoning))
    assert_equal(timelines_of_heads({"ann": user.head}, reckoning), expected)
    encoded = encode_timelines(expected)
    assert_equal(decode_timelines(expected.user_id, encoded), expected)


def test_a_stream_behind_a_batch_goes_by_its_zone(tmp_path: Path) -> None:
    figures = FigureSettings(reckoning=Reckoning("America/St_Johns", "sunday", 20))
    start = datetime(2009, 11, 1, 1, 50)
    rows = [
        row(f"{(start + timedelta(minutes=9 * number)).isoformat()}Z", user, "like")
        for number in range(14)
        for user in ("ann", "bob")
    ]
    path = tmp_path / "growth.duckdb"
    home = DuckDB.at(path, figures)
    home.batch(rows[::3])
    home.update(rows[1::3])
    home.stream([rows[2::6], rows[5::6]])
    assert differing(path, rows, figures) == []
    assert differing(path, rows, replace(figures, reckoning=Reckoning())) != []
