"""Dates as days since 1970-01-01 and months as months since 1970-01."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

US_PER_SECOND: Final = 1_000_000
US_PER_MINUTE: Final = 60 * US_PER_SECOND
US_PER_DAY: Final = 86_400 * US_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1)


def as_datetime(us: int) -> datetime:
    """Microseconds since 1970-01-01 as a datetime in UTC without a zone."""
    return _EPOCH + timedelta(microseconds=us)


def month_of(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Months since 1970-01 of dates given in days since 1970-01-01."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def as_dates(days: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Days since 1970-01-01 as datetime64[D]."""
    return days.astype("datetime64[D]")


def first_days(months: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The first days of months given in months since 1970-01, as datetime64[D]."""
    return months.astype("datetime64[M]").astype("datetime64[D]")


# 1970-01-01 was a Thursday.
_MONDAY: Final = 3


def week_of(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Weeks since that of 1969-12-29 of dates given in days since 1970-01-01; from Monday on."""
    return (days + _MONDAY) // 7


def mondays(weeks: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """The first days of weeks as `week_of` counts them, as datetime64[D]."""
    return as_dates(weeks * 7 - _MONDAY)
