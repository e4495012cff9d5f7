"""contributions: what each user's timeline adds to the counters of dates, months and cohorts.

The definitions of growth accounting (new, retained, resurrected, churned) and of the quick ratio
are those of Jonathan Hsu, "Diligence at Social Capital", part 1 (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.active_periods import ActivePeriods
from transforms.kernels.boards import Board, counted, places_of
from transforms.kernels.calendar import month_of, week_of
from transforms.kernels.counters import (
    COHORTS,
    DAILY,
    DORMANCIES,
    PERIODIC,
    SEGMENT_DAILY,
    STAGES,
    WINDOWS,
    Counters,
    Grid,
)
from transforms.kernels.curves import LAST_DAY, LAST_WEEK, curves
from transforms.kernels.engagement import engagement
from transforms.kernels.grid_keys import cohort_key, segment_key
from transforms.kernels.segments import ALL, segments_of
from transforms.kernels.session_counts import session_grids
from transforms.kernels.timelines import Timelines
from transforms.reckoning import PLAIN, Reckoning
from transforms.vocabulary import CHANNELS, EVENT_TYPES, LIKE, OTHER_CHANNEL, PLATFORMS, SHARE

Ints: TypeAlias = NDArray[np.int64]


def contributions(
    timelines: Timelines, active_types: Sequence[int], reckoning: Reckoning = PLAIN
) -> Counters:
    """The sum of what the users of `timelines` contribute to every mart.

    Args:
        timelines: of any number of users.
        active_types: codes of the event types that make a user active (rule 4).
        reckoning: how time is reckoned, by which the timelines were made.

    Returns:
        The counters; for new events of a user, `contributions(after) - contributions(before)` is
        what they change.
    """
    if not len(timelines):
        return Counters.empty()
    active = timelines.active_days(active_types)
    days = ActivePeriods.of(timelines.user_of_day[active], timelines.date[active])
    weeks, months = (
        days.within(week_of(days.period, reckoning)),
        days.within(month_of(days.period)),
    )
    segments = segments_of(timelines)
    everybody = np.full((len(timelines), 1), ALL)
    all_segments = np.hstack([everybody, segments])
    session_days, session_durations = session_grids(timelines.sessions, reckoning)
    return Counters(
        daily=_daily(timelines, days),
        monthly=_periodic(months),
        cohorts=_cohorts(months),
        weekly=_periodic(weeks),
        engagement=engagement(days),
        day_curves=curves(days, everybody, LAST_DAY),
        week_curves=curves(weeks, all_segments, LAST_WEEK),
        month_curves=curves(months, all_segments, None),
        segment_days=_segment_days(days, segments),
        segment_months=_segment_months(months, segments),
        session_days=session_days,
        session_durations=session_durations,
        own_types=timelines.own_events.grid(timelines.date),
    )


def _daily(timelines: Timelines, days: ActivePeriods) -> Grid:
    first, last = int(timelines.date.min()), int(timelines.date.max()) + max(WINDOWS)
    board = Board(DAILY, last - first + 1)
    _count_active_days(board, days, first)
    _count_events(board, timelines, first)
    _count_first_days(board, timelines, first)
    return board.grid(first)


def _count_active_days(board: Board, days: ActivePeriods, first: int) -> None:
    date, since, until, age = days.period - first, days.since, days.until, days.age
    board.count("active", date)
    board.count("new", _where(since == 0, date))
    board.count("retained", _where(since == 1, date))
    board.count("churned", _where(until != 1, date) + 1)
    for days_known in STAGES:
        board.count(days_known.counter, _where(days_known.hold(age), date))
    for days_away in DORMANCIES:
        board.count(days_away.counter, _where(days_away.hold(since), date))
    away = since >= DORMANCIES[0].first
    board.add("dormant_days", _where(away, date), _where(away, since))
    for n in WINDOWS:
        # Where stretches of dates with activity in the last n days begin and have ended.
        board.count(f"window_{n}", _where((since == 0) | (since > n), date))
        board.count(f"window_{n}", _where((until == 0) | (until > n), date) + n, sign=-1)


def _count_events(board: Board, timelines: Timelines, first: int) -> None:
    """What all events add, whichever types count as active."""
    date = timelines.date - first
    types, platforms = timelines.type_events, timelines.platform_events
    for names, counts in ((EVENT_TYPES, types), (PLATFORMS, platforms)):
        for code, name in enumerate(names):
            board.add(f"events_{name}", date, counts[:, code])
            board.count(f"users_{name}", _where(counts[:, code] > 0, date))
    board.count("users_social", _where((types[:, SHARE] > 0) | (types[:, LIKE] > 0), date))
    board.add("miles_earned", date, timelines.miles_earned)
    board.add("miles_redeemed", date, timelines.miles_redeemed)


def _count_first_days(board: Board, timelines: Timelines, start: int) -> None:
    sources = timelines.first_utm_source.fill_null("").to_numpy(zero_copy_only=False)
    first = timelines.first_dates - start
    for channel in CHANNELS:
        board.count(f"first_{channel}", _where(sources == channel, first))
    board.count(f"first_{OTHER_CHANNEL}", _where(~np.isin(sources, CHANNELS), first))


def _where(wanted: NDArray[np.bool_], values: Ints) -> Ints:
    # A mask as an index takes four times as long as the places that it says.
    return values.take(np.flatnonzero(wanted))


def _periodic(active: ActivePeriods) -> Grid:
    """Growth accounting by weeks or months."""
    if not len(active.period):
        return Grid.empty(PERIODIC)
    first = int(active.period.min())
    board = Board(PERIODIC, int(active.period.max()) + 2 - first)
    _count_periods(board, active, active.period - first)
    return board.grid(first)


def _count_periods(board: Board, active: ActivePeriods, at: Ints) -> None:
    """Growth accounting, at the positions of periods; those after them are one further."""
    board.count("active", at)
    board.count("new", _where(active.since == 0, at))
    board.count("retained", _where(active.since == 1, at))
    board.count("resurrected", _where(active.since >= 2, at))
    board.count("churned", _where(active.until != 1, at) + 1)


def _segment_days(days: ActivePeriods, segments: Ints) -> Grid:
    if not len(days.period):
        return Grid.empty(SEGMENT_DAILY)
    first = int(days.period.min())
    span = int(days.period.max()) + max(WINDOWS) + 1 - first
    codes, places = places_of(segments)
    board = Board(SEGMENT_DAILY, len(codes) * span)
    is_new, is_retained, leaves = (
        np.flatnonzero(mask) for mask in (days.since == 0, days.since == 1, days.until != 1)
    )
    starts = {n: np.flatnonzero((days.since == 0) | (days.since > n)) for n in WINDOWS}
    ends = {n: np.flatnonzero((days.until == 0) | (days.until > n)) for n in WINDOWS}
    for place in places.T:
        at = place[days.user] * span + days.period - first
        board.count("active", at)
        board.count("new", at.take(is_new))
        board.count("retained", at.take(is_retained))
        board.count("churned", at.take(leaves) + 1)
        for n in WINDOWS:
            board.count(f"window_{n}", at.take(starts[n]))
            board.count(f"window_{n}", at.take(ends[n]) + n, sign=-1)
    return _by_segment(board, SEGMENT_DAILY, first, span, codes)


def _segment_months(months: ActivePeriods, segments: Ints) -> Grid:
    if not len(months.period):
        return Grid.empty(PERIODIC)
    first = int(months.period.min())
    span = int(months.period.max()) + 2 - first
    codes, places = places_of(segments)
    board = Board(PERIODIC, len(codes) * span)
    for place in places.T:
        _count_periods(board, months, place[months.user] * span + months.period - first)
    return _by_segment(board, PERIODIC, first, span, codes)


def _by_segment(board: Board, names: tuple[str, ...], first: int, span: int, codes: Ints) -> Grid:
    """The grid of a board that is laid out on `span` periods for each segment."""
    filled, values = board.filled()
    keys = segment_key(first + filled % span, codes[filled // span])
    order = np.argsort(keys)
    return Grid(names, keys[order], values[order])


def _cohorts(months: ActivePeriods) -> Grid:
    if not len(months.period):
        return Grid.empty(COHORTS)
    cohort = months.period - months.age
    first, periods = int(cohort.min()), int(months.age.max()) + 1
    cell = (cohort - first) * periods + months.age
    filled, counts = counted(cell, int(cell.max()) + 1)
    keys = cohort_key(first + filled // periods, filled % periods)
    return Grid(COHORTS, keys, counts[:, np.newaxis])
