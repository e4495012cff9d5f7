"""Dates as days since 1970-01-01 and months as months since 1970-01."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.zones import leaps_of
from transforms.reckoning import UTC, Reckoning

Ints: TypeAlias = NDArray[np.int64]

US_PER_SECOND: Final = 1_000_000
US_PER_MINUTE: Final = 60 * US_PER_SECOND
US_PER_DAY: Final = 86_400 * US_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1)
# 1970-01-01 was a Thursday: so many days lie between it and the beginning of its week.
_DAYS_INTO_WEEK: Final = {"monday": 3, "sunday": 4}


def as_datetime(us: int) -> datetime:
    """Microseconds since 1970-01-01 as a datetime in UTC without a zone."""
    return _EPOCH + timedelta(microseconds=us)


def month_of(days: Ints) -> Ints:
    """Months since 1970-01 of dates given in days since 1970-01-01."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def as_dates(days: Ints) -> NDArray[np.datetime64]:
    """Days since 1970-01-01 as datetime64[D]."""
    return days.astype("datetime64[D]")


def first_days(months: Ints) -> NDArray[np.datetime64]:
    """The first days of months given in months since 1970-01, as datetime64[D]."""
    return months.astype("datetime64[M]").astype("datetime64[D]")


def week_of(days: Ints, reckoning: Reckoning) -> Ints:
    """Weeks since the one of 1970-01-01, of dates given in days since then."""
    return (days + _DAYS_INTO_WEEK[reckoning.week_start]) // 7


def first_days_of_weeks(weeks: Ints, reckoning: Reckoning) -> NDArray[np.datetime64]:
    """The first days of weeks as `week_of` counts them, as datetime64[D]."""
    return as_dates(weeks * 7 - _DAYS_INTO_WEEK[reckoning.week_start])


def date_of(time_us: Ints, reckoning: Reckoning) -> Ints:
    """The dates of instants, in days since 1970-01-01.

    Where a date comes back (`returns_of`), they are not in the order of the instants.

    Args:
        time_us: int64 [n], microseconds since 1970-01-01, from 1969 to 2100.
        reckoning: in which zone dates are.
    """
    if reckoning.zone == UTC:
        return time_us // US_PER_DAY
    leaps = leaps_of(reckoning.zone)
    ahead_us = leaps.offset_us[np.searchsorted(leaps.at_us, time_us, side="right")]
    dates: Ints = (time_us + ahead_us) // US_PER_DAY
    return dates


class Return(NamedTuple):
    """A leap of local time by which a date comes back that was over: from 00:01 to 23:01, say.

    Attributes:
        at_us: when, in microseconds since 1970-01-01.
        before, after: the dates on either side of it, in days since 1970-01-01.
    """

    at_us: int
    before: int
    after: int


def returns_of(reckoning: Reckoning) -> list[Return]:
    """The leaps by which dates come back; none in UTC, nor in most zones."""
    if reckoning.zone == UTC:
        return []
    at_us = leaps_of(reckoning.zone).at_us
    before, after = date_of(at_us - 1, reckoning), date_of(at_us, reckoning)
    rows = np.flatnonzero(before > after)
    return [Return(int(at_us[row]), int(before[row]), int(after[row])) for row in rows]


def other_dates(
    time_us: Ints, reach_us: int, reckoning: Reckoning
) -> tuple[NDArray[np.intp], Ints]:
    """On which other dates than their own instants may have a neighbour.

    Args:
        time_us: int64 [n], microseconds since 1970-01-01.
        reach_us: how far away at most, below half a day: to the past if it is negative.
        reckoning: in which zone dates are.

    Returns:
        Rows of `time_us`, and for each one such a date; a row may be there more than once.
    """
    there_us = time_us + reach_us
    there = date_of(there_us, reckoning)
    rows = np.flatnonzero(there != date_of(time_us, reckoning))
    found = [(rows, there[rows])]
    first_us, last_us = np.minimum(time_us, there_us), np.maximum(time_us, there_us)
    for leap in returns_of(reckoning):
        near = np.flatnonzero((first_us < leap.at_us) & (leap.at_us <= last_us))
        found += [(near, np.full(len(near), date)) for date in (leap.before, leap.after)]
    where, dates = zip(*found, strict=True)
    return np.concatenate(where), np.concatenate(dates)
