"""What the keys of grids of counters are: several integers in one, which stored counters hold.

Days, months and weeks count from 1970 and stay below 2^20, so each part has its own bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_PERIOD_BITS: Final = 12
_COHORT_BITS: Final = 32
_SEGMENT_BITS: Final = 10
_ENGAGED_BITS: Final = 6
_WINDOW_BITS: Final = 5
_DURATION_BITS: Final = 12
_TYPE_BITS: Final = 8

# Windows whose active days are counted, by their places in a key.
ENGAGED_WINDOWS: Final = (7, 28)

Ints = NDArray[np.int64]


def cohort_key(cohort: Ints, period: Ints) -> Ints:
    """One integer for a cohort month (months since 1970-01) and a period (months since it)."""
    return cohort << _PERIOD_BITS | period


def split_cohort_key(keys: Ints) -> tuple[Ints, Ints]:
    """The cohort months and periods of keys made by `cohort_key`."""
    return keys >> _PERIOD_BITS, keys & (1 << _PERIOD_BITS) - 1


def curve_key(segment: Ints | int, cohort: Ints, period: Ints) -> Ints:
    """One integer for a segment, a cohort (its day, week or month) and periods since it."""
    return segment << _COHORT_BITS | cohort << _PERIOD_BITS | period


def split_curve_key(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """The segments, cohorts and periods of keys made by `curve_key`."""
    cohort, period = split_cohort_key(keys & (1 << _COHORT_BITS) - 1)
    return keys >> _COHORT_BITS, cohort, period


def segment_key(period: Ints, segment: Ints | int) -> Ints:
    """One integer for a day or month and a segment."""
    return period << _SEGMENT_BITS | segment


def split_segment_key(keys: Ints) -> tuple[Ints, Ints]:
    """The days or months and the segments of keys made by `segment_key`."""
    return keys >> _SEGMENT_BITS, keys & (1 << _SEGMENT_BITS) - 1


def engaged_key(day: Ints, window: int, days: Ints) -> Ints:
    """One integer for a date, one of ENGAGED_WINDOWS, and a number of active dates in it."""
    place = ENGAGED_WINDOWS.index(window)
    return day << _ENGAGED_BITS | place << _WINDOW_BITS | days


def split_engaged_key(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """The dates, windows and numbers of active dates of keys made by `engaged_key`."""
    windows = np.array(ENGAGED_WINDOWS, np.int64)
    place = keys >> _WINDOW_BITS & 1
    return keys >> _ENGAGED_BITS, windows[place], keys & (1 << _WINDOW_BITS) - 1


def type_key(day: Ints, event_type: Ints) -> Ints:
    """One integer for a date and the code of an event type."""
    return day << _TYPE_BITS | event_type


def split_type_key(keys: Ints) -> tuple[Ints, Ints]:
    """The dates and codes of event types of keys made by `type_key`."""
    return keys >> _TYPE_BITS, keys & (1 << _TYPE_BITS) - 1


def duration_key(day: Ints, bucket: Ints) -> Ints:
    """One integer for a date and a bucket of `session_durations`."""
    return day << _DURATION_BITS | bucket


def split_duration_key(keys: Ints) -> tuple[Ints, Ints]:
    """The dates and buckets of keys made by `duration_key`."""
    return keys >> _DURATION_BITS, keys & (1 << _DURATION_BITS) - 1
