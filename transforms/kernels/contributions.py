"""contributions: what each user's timeline adds to the counters of dates, months and cohorts.

The definitions of growth accounting (new, retained, resurrected, churned) and of the quick ratio
are those of Jonathan Hsu, "Diligence at Social Capital", part 1 (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.calendar import US_PER_DAY, month_of
from transforms.kernels.counters import (
    COHORTS,
    DAILY,
    MONTHLY,
    WINDOWS,
    Counters,
    Grid,
    cohort_key,
)
from transforms.kernels.timelines import Timelines
from transforms.vocabulary import CHANNELS, EVENT_TYPES, LIKE, PLATFORMS, SHARE

Ints: TypeAlias = NDArray[np.int64]

_EVENT_COUNTERS: Final = tuple(
    name for name in DAILY if name.startswith(("events_", "users_", "miles_"))
)
# Dates and months of a data set lie within some thousands of each other: counting them by
# position is 5 x faster than sorting them. Cohort keys may lie further apart.
_DENSE_RANGE: Final = 1 << 16


@dataclass(frozen=True)
class _Activity:
    """The active periods (dates or months) of users, in order.

    Attributes:
        period: int64 [n], days or months; ascending within a user.
        since: int64 [n], periods since the user's previous active one; 0 at the first.
        until: int64 [n], periods until the user's next active one; 0 at the last.
        age: int64 [n], periods since the user's first active one.
    """

    period: Ints
    since: Ints
    until: Ints
    age: Ints

    @classmethod
    def of(cls, user: Ints, period: Ints) -> _Activity:
        first = np.ones(len(user), np.bool_)
        first[1:] = user[1:] != user[:-1]
        since = np.diff(period, prepend=0)
        since[first] = 0
        until = np.append(since[1:], 0)[: len(since)]
        start = np.flatnonzero(first)
        age = period - np.repeat(period[start], np.diff(np.append(start, len(user))))
        return cls(period, since, until, age)


def contributions(timelines: Timelines, active_types: Sequence[int]) -> Counters:
    """The sum of what the users of `timelines` contribute to every mart.

    Args:
        timelines: of any number of users.
        active_types: indices in EVENT_TYPES of the event types that make a user active (rule 4).

    Returns:
        The counters; for new events of a user, `contributions(after) - contributions(before)` is
        what they change.
    """
    if len(active_types) == len(EVENT_TYPES):
        active = slice(None)
    else:
        active = timelines.type_events[:, list(active_types)].any(axis=1)
    user, date = timelines.user_of_day[active], timelines.date[active]
    days = _Activity.of(user, date)
    month = month_of(date)
    enters = np.ones(len(user), np.bool_)
    enters[1:] = (user[1:] != user[:-1]) | (month[1:] != month[:-1])
    months = _Activity.of(user[enters], month[enters])
    return Counters(
        daily=Grid.total([_active_days(days), _event_days(timelines), _first_days(timelines)]),
        monthly=_active_months(months),
        cohorts=_tally(
            COHORTS, {"active": cohort_key(months.period - months.age, months.age)}
        ),
    )


def _active_days(days: _Activity) -> Grid:
    date, since, age = days.period, days.since, days.age
    dormant = since >= 2
    tallies = {
        "active": date,
        "new": date[since == 0],
        "retained": date[since == 1],
        "churned": date[days.until != 1] + 1,
        "stage_new": date[age <= 7],
        "stage_growing": date[(age > 7) & (age <= 30)],
        "stage_established": date[(age > 30) & (age <= 90)],
        "stage_mature": date[age > 90],
        "dormant_short": date[dormant & (since <= 7)],
        "dormant_medium": date[(since > 7) & (since <= 30)],
        "dormant_long": date[(since > 30) & (since <= 90)],
        "dormant_very_long": date[since > 90],
    }
    slept = Grid.sum_rows(("dormant_days",), date[dormant], since[dormant][:, np.newaxis])
    return Grid.total(
        [_tally(DAILY, tallies), slept.widen(DAILY), *(_window(days, n) for n in WINDOWS)]
    )


def _window(days: _Activity, n: int) -> Grid:
    """Where stretches of dates with activity in the last n days begin (+1) and have ended (-1)."""
    begins = days.period[(days.since == 0) | (days.since > n)]
    ended = days.period[(days.until == 0) | (days.until > n)] + n
    name = f"window_{n}"
    return _tally(DAILY, {name: begins}) - _tally(DAILY, {name: ended})


def _event_days(timelines: Timelines) -> Grid:
    """What all events add, whichever types count as active."""
    types, platforms = timelines.type_events, timelines.platform_events
    columns = {
        **{f"events_{name}": types[:, code] for code, name in enumerate(EVENT_TYPES)},
        **{f"users_{name}": types[:, code] > 0 for code, name in enumerate(EVENT_TYPES)},
        **{f"events_{name}": platforms[:, code] for code, name in enumerate(PLATFORMS)},
        **{f"users_{name}": platforms[:, code] > 0 for code, name in enumerate(PLATFORMS)},
        "users_social": (types[:, SHARE] > 0) | (types[:, LIKE] > 0),
        "miles_earned": timelines.miles_earned,
        "miles_redeemed": timelines.miles_redeemed,
    }
    values = np.empty((len(timelines.date), len(_EVENT_COUNTERS)), np.int64)
    for index, name in enumerate(_EVENT_COUNTERS):
        values[:, index] = columns[name]
    return Grid.sum_rows(_EVENT_COUNTERS, timelines.date, values).widen(DAILY)


def _first_days(timelines: Timelines) -> Grid:
    sources = timelines.first_utm_source.fill_null("").to_numpy(zero_copy_only=False)
    first = timelines.first_seen_us // US_PER_DAY
    return _tally(DAILY, {f"first_{name}": first[sources == name] for name in CHANNELS})


def _active_months(months: _Activity) -> Grid:
    tallies = {
        "active": months.period,
        "new": months.period[months.since == 0],
        "retained": months.period[months.since == 1],
        "resurrected": months.period[months.since >= 2],
        "churned": months.period[months.until != 1] + 1,
    }
    return _tally(MONTHLY, tallies)


def _tally(names: tuple[str, ...], tallies: dict[str, Ints]) -> Grid:
    """A grid that counts, for each name, how often each key stands in its array."""
    filled = [column for column in tallies.values() if len(column)]
    if not filled:
        return Grid.empty(names)
    first = min(int(column.min()) for column in filled)
    last = max(int(column.max()) for column in filled)
    if last - first < _DENSE_RANGE:
        keys = np.arange(first, last + 1)
    else:
        keys = np.unique(np.concatenate(filled))
    values = np.zeros((len(keys), len(names)), np.int64)
    for name, column in tallies.items():
        rows = column - first if last - first < _DENSE_RANGE else np.searchsorted(keys, column)
        values[:, names.index(name)] = np.bincount(rows, minlength=len(keys))
    kept = values.any(axis=1)
    return Grid(names, keys[kept], values[kept])
