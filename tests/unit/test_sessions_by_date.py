"""session_metrics: which date a session is of, how long it is, what late events make of it."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tables import codes, compute, csv_text, parse, row
from transforms.kernels.boards import counted
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.counters import SESSION_DURATIONS, Counters, Grid
from transforms.kernels.grid_keys import duration_key
from transforms.kernels.increments import change, timelines_after
from transforms.kernels.session_durations import buckets_of, medians, seconds_of
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.reckoning import PLAIN
from transforms.vocabulary import EVENT_TYPES

DAY = 19_783
MIDNIGHT_US = DAY * US_PER_DAY


def metrics(*events: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """By date the rows of session_metrics for (moment, user) pairs."""
    text = csv_text([row(f"2024-{moment}Z", user) for moment, user in events])
    table = compute([part.events for part in parse(text)])["session_metrics"]
    return {f"{found['event_date']:%m-%d}": found for found in table.to_pylist()}


def sorted_of(*minutes: int) -> SortedEvents:
    """Events of one user, so many minutes after a midnight."""
    rows = [row(f"2024-03-01T{at // 60:02}:{at % 60:02}:00Z") for at in minutes]
    return sort_events([part.events for part in parse(csv_text(rows))])


def lives(*minutes: int) -> Timelines:
    return timelines(sorted_of(*minutes))


def test_a_session_is_of_the_date_on_which_it_begins() -> None:
    days = metrics(
        *(("03-01T23:50:00", "ann"), ("03-02T00:10:00", "ann"), ("03-02T00:30:00.9", "ann")),
        *(("03-02T12:00:00", "bob"), ("03-02T12:30:00", "bob"), ("03-04T01:00:00", "bob")),
    )
    assert days["03-01"] == {
        **days["03-01"],
        "sessions": 1,
        "users_with_sessions": 1,
        "session_events": 3,
        "single_event_sessions": 0,
        "session_seconds": 2_400,
        "sessions_per_user": 1.0,
        "events_per_session": 3.0,
        "single_event_session_pct": 0.0,
        "mean_session_seconds": 2_400.0,
        # Of 100101100000, which is 2,400, the first 6 digits.
        "median_session_seconds": 2_368.0,
        "is_complete": True,
    }
    # Events that are 30 minutes apart are of two sessions.
    assert days["03-02"] == {
        **days["03-02"],
        "sessions": 2,
        "users_with_sessions": 1,
        "session_events": 2,
        "single_event_sessions": 2,
        "session_seconds": 0,
        "sessions_per_user": 2.0,
        "median_session_seconds": 0.0,
    }
    silent = days["03-03"]
    assert (silent["sessions"], silent["users_with_sessions"], silent["session_seconds"]) == (
        0,
    ) * 3
    assert silent["events_per_session"] is silent["median_session_seconds"] is None
    assert not days["03-04"]["is_complete"]


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        # It makes one session of two, lengthens one at either end, lies in one, or stands alone.
        (20, [(0, 45, 4)]),
        (74, [(0, 5, 2), (45, 74, 2)]),
        (75, [(0, 5, 2), (45, 45, 1), (75, 75, 1)]),
        (34, [(0, 45, 4)]),
        (3, [(0, 5, 3), (45, 45, 1)]),
    ],
)
def test_a_late_event_changes_sessions_without_another_one(
    late: int, expected: list[tuple[int, int, int]]
) -> None:
    before, types = lives(0, 5, 45), codes(EVENT_TYPES)
    after = timelines_after(before, sorted_of(late))
    spans = after.sessions
    minutes = [(moments - MIDNIGHT_US) // 60_000_000 for moments in (spans.start_us, spans.end_us)]
    assert list(zip(*minutes, spans.events, strict=True)) == expected
    whole = change(Timelines.none(), lives(0, 5, 45, late), types, PLAIN)
    parts = [(Timelines.none(), before), (before, after)]
    assert Counters.total([change(*part, types, PLAIN) for part in parts]) == whole


seconds_lists = st.lists(st.one_of(st.integers(0, 400), st.integers(0, 2**31)), min_size=1)


@given(seconds_lists)
def test_buckets_are_in_order_and_near(seconds: list[int]) -> None:
    exact = np.sort(np.array(seconds, np.int64))
    buckets = buckets_of(exact)
    assert (np.diff(buckets) >= 0).all()
    assert (buckets < 1 << 12).all()
    found = seconds_of(buckets)
    assert np.array_equal(buckets_of(found), buckets)
    assert (found <= exact).all()
    assert (32 * (exact - found) <= exact).all()
    assert np.array_equal(found[exact < 64], exact[exact < 64])


@given(st.lists(st.lists(st.integers(0, 63)), max_size=5))
def test_medians_are_those_of_each_date(days: list[list[int]]) -> None:
    keys = np.array([(day, one) for day, found in enumerate(days) for one in found], np.int64)
    found = medians(_grid(keys.reshape(-1, 2)), DAY, DAY + len(days) - 1)
    expected = [statistics.median(one) if one else None for one in days]
    assert [None if np.isnan(value) else value for value in found.tolist()] == expected


def _grid(cells: np.ndarray) -> Grid:
    keys = duration_key(DAY + cells[:, 0], buckets_of(cells[:, 1]))
    if not len(keys):
        return Grid.empty(SESSION_DURATIONS)
    found, times = counted(keys, int(keys.max()) + 1)
    return Grid(SESSION_DURATIONS, found, times[:, np.newaxis])
