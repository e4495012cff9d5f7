"""The spine: the sums over users laid out on every date and month, silent ones too (rule 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.calendar import as_dates, first_days, first_days_of_weeks, month_of, week_of
from transforms.kernels.counters import DAILY, EVENTS, MONTHLY, PERIODIC, Counters
from transforms.kernels.grid_keys import split_cohort_key
from transforms.reckoning import PLAIN, Reckoning
from transforms.vocabulary import EVENT_TYPES


@dataclass(frozen=True)
class Spine:
    """The sums that the marts are finished from; all arrays are empty where there is no event.

    Attributes:
        dates: datetime64[D] [n], every date from the first event's to the last event's.
        daily: for each name of `counters.DAILY` int64 [n].
        months: datetime64[D] [m], the first days of the months of `dates`.
        monthly: for each name of `counters.MONTHLY` int64 [m].
        weeks: datetime64[D] [w], the first days of the weeks of `dates`.
        weekly: for each name of `counters.PERIODIC` int64 [w].
        cohort, period, cohort_active: int64 [k], the sums of (cohort month, period) pairs with
            an active user, ascending; months count from 1970-01.
        last_month: months from 1970-01 to the last of `months`.
        first_day, last_day: days from 1970-01-01 to the first and the last of `dates`.
        last_week: the last of `weeks`, as `week_of` counts them.
        counters: the sums themselves, for marts that lay out keys of their own.
        event_types: the names of the event types, by their codes.
        reckoning: how time is reckoned.
        written_at: the moment of writing.
    """

    dates: NDArray[np.datetime64]
    daily: dict[str, NDArray[np.int64]]
    months: NDArray[np.datetime64]
    monthly: dict[str, NDArray[np.int64]]
    weeks: NDArray[np.datetime64]
    weekly: dict[str, NDArray[np.int64]]
    cohort: NDArray[np.int64]
    period: NDArray[np.int64]
    cohort_active: NDArray[np.int64]
    last_month: int
    first_day: int
    last_day: int
    last_week: int
    counters: Counters
    event_types: tuple[str, ...]
    reckoning: Reckoning
    written_at: pa.Scalar

    @property
    def complete_dates(self) -> NDArray[np.bool_]:
        """Which of `dates` are complete: all but the last, on which more may come (rule 10)."""
        return _all_but_last(len(self.dates))

    @property
    def complete_months(self) -> NDArray[np.bool_]:
        """Which of `months` are complete."""
        return _all_but_last(len(self.months))

    @property
    def complete_weeks(self) -> NDArray[np.bool_]:
        """Which of `weeks` are complete."""
        return _all_but_last(len(self.weeks))

    def stamps(self, rows: int) -> pa.Array:
        """`written_at` for so many rows."""
        return pa.repeat(self.written_at, rows)


def lay_out(
    counters: Counters,
    written_at: pa.Scalar,
    event_types: tuple[str, ...] = EVENT_TYPES,
    reckoning: Reckoning = PLAIN,
) -> Spine:
    """The spine of the sum of all users' counters.

    Args:
        counters: the sum.
        written_at: the moment of writing.
        event_types: the names of the event types, by their codes.
        reckoning: how time is reckoned.

    Raises:
        DataError: if the miles of all dates add up to more than INT64 holds.
    """
    counters.check_lifetime()
    busy = counters.daily.keys[counters.daily.values[:, EVENTS].any(axis=1)]
    if not len(busy):
        return _empty(written_at, reckoning)
    first, last = int(busy[0]), int(busy[-1])
    first_month, last_month = (int(month) for month in month_of(np.array([first, last])))
    first_week, last_week = (int(week) for week in week_of(np.array([first, last]), reckoning))
    cohort, period = split_cohort_key(counters.cohorts.keys)
    return Spine(
        dates=as_dates(np.arange(first, last + 1)),
        daily=counters.daily.dense(first, last),
        months=first_days(np.arange(first_month, last_month + 1)),
        monthly=counters.monthly.dense(first_month, last_month),
        weeks=first_days_of_weeks(np.arange(first_week, last_week + 1), reckoning),
        weekly=counters.weekly.dense(first_week, last_week),
        cohort=cohort,
        period=period,
        cohort_active=counters.cohorts.values[:, 0],
        last_month=last_month,
        first_day=first,
        last_day=last,
        last_week=last_week,
        counters=counters,
        event_types=event_types,
        reckoning=reckoning,
        written_at=written_at,
    )


def _all_but_last(rows: int) -> NDArray[np.bool_]:
    complete = np.ones(rows, np.bool_)
    complete[-1:] = False
    return complete


def _empty(written_at: pa.Scalar, reckoning: Reckoning) -> Spine:
    none = np.empty(0, np.int64)
    return Spine(
        dates=as_dates(none),
        daily=dict.fromkeys(DAILY, none),
        months=first_days(none),
        monthly=dict.fromkeys(MONTHLY, none),
        weeks=as_dates(none),
        weekly=dict.fromkeys(PERIODIC, none),
        cohort=none,
        period=none,
        cohort_active=none,
        last_month=0,
        first_day=0,
        last_day=-1,
        last_week=0,
        counters=Counters.empty(),
        event_types=EVENT_TYPES,
        reckoning=reckoning,
        written_at=written_at,
    )
