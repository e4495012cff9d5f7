"""Counters: integers per date, per month, and per cohort and period, that add up over users.

A mart is a function of the sum of every user's counters, so counters form a group: `total` adds
in any order and grouping, and `after - before` is what a user's new events change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.vocabulary import CHANNELS, EVENT_TYPES, OTHER_CHANNEL, PLATFORMS

WINDOWS: Final = (7, 28, 30)


class Days(NamedTuple):
    """A range of days, and the counter of users who are in it.

    Attributes:
        counter: its name.
        first, last: days, both included; no last for any number.
    """

    counter: str
    first: int
    last: int | None

    @property
    def text(self) -> str:
        """The range in words: 8-30 days, or more than 90 days."""
        return (
            f"more than {self.first - 1} days"
            if self.last is None
            else f"{self.first}-{self.last} days"
        )

    def hold(self, days: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which numbers of days are in the range."""
        inside: NDArray[np.bool_] = days >= self.first
        return inside if self.last is None else inside & (days <= self.last)


# A week, a month and a quarter: by them both how long users are known and how long they were away.
_EDGES: Final = (7, 30, 90)


def _ranges(counters: Sequence[str], first: int) -> tuple[Days, ...]:
    firsts = (first, *(edge + 1 for edge in _EDGES))
    return tuple(map(Days, counters, firsts, (*_EDGES, None)))


# By days since a user's first active date; by days since the last one before a return.
STAGES: Final = _ranges(("stage_new", "stage_growing", "stage_established", "stage_mature"), 0)
DORMANCIES: Final = _ranges(
    ("dormant_short", "dormant_medium", "dormant_long", "dormant_very_long"), 2
)

# The order of these names is the layout of stored counters (codecs/sum_codecs.py): names are only
# ever appended.
DAILY: Final = (
    "active",
    "new",
    "retained",
    "churned",
    *(f"window_{days}" for days in WINDOWS),
    *(stage.counter for stage in STAGES),
    *(dormancy.counter for dormancy in DORMANCIES),
    "dormant_days",
    *(f"events_{event_type}" for event_type in EVENT_TYPES),
    *(f"events_{platform}" for platform in PLATFORMS),
    "miles_earned",
    "miles_redeemed",
    *(f"users_{event_type}" for event_type in EVENT_TYPES),
    *(f"users_{platform}" for platform in PLATFORMS),
    "users_social",
    *(f"first_{channel}" for channel in CHANNELS),
    f"first_{OTHER_CHANNEL}",
)
# Their columns that count all events: each event has one platform, and any type.
EVENTS: Final = [DAILY.index(f"events_{platform}") for platform in PLATFORMS]
# Of users by months or weeks.
PERIODIC: Final = ("active", "new", "retained", "resurrected", "churned")
MONTHLY: Final = PERIODIC
COHORTS: Final = ("active",)
# Of a cohort in a period: who is active in it, and whose last active one it is.
CURVES: Final = ("active", "last")
ENGAGED: Final = ("users",)
# Of a segment on a date.
SEGMENT_DAILY: Final = (
    "active",
    "new",
    "retained",
    "churned",
    *(f"window_{days}" for days in WINDOWS),
)
# Of the sessions that begin on a date.
SESSION_DAILY: Final = ("sessions", "users", "single_event", "events", "seconds")
SESSION_DURATIONS: Final = ("sessions",)
# Of an own event type on a date.
OWN_TYPES: Final = ("events", "users")


@dataclass(frozen=True, eq=False)
class Grid:
    """Integers by key, in one canonical form.

    Attributes:
        names: the counters' names.
        keys: int64 [rows], ascending and unique.
        values: int64 [rows, len(names)]; no row is all zero.
    """

    names: tuple[str, ...]
    keys: NDArray[np.int64]
    values: NDArray[np.int64]

    @classmethod
    def empty(cls, names: tuple[str, ...]) -> Grid:
        """A grid without a row."""
        return cls(names, np.empty(0, np.int64), np.empty((0, len(names)), np.int64))

    @classmethod
    def sum_rows(
        cls, names: tuple[str, ...], keys: NDArray[np.int64], values: NDArray[np.int64]
    ) -> Grid:
        """The grid that adds up rows of equal key.

        Raises:
            DataError: if a sum leaves INT64.
        """
        if not len(keys):
            return cls.empty(names)
        order = np.argsort(keys, kind="stable")
        keys, values = keys[order], values[order]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        sums = np.add.reduceat(values, starts, axis=0)
        check_int64(names, values, starts)
        kept = sums.any(axis=1)
        return cls(names, keys[starts][kept], sums[kept])

    def __sub__(self, other: Grid) -> Grid:
        return Grid.total([self, Grid(other.names, other.keys, -other.values)])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Grid)
            and self.names == other.names
            and np.array_equal(self.keys, other.keys)
            and np.array_equal(self.values, other.values)
        )

    @classmethod
    def total(cls, grids: Sequence[Grid]) -> Grid:
        """The sum of one or more grids of the same names."""
        return cls.sum_rows(
            grids[0].names,
            np.concatenate([grid.keys for grid in grids]),
            np.concatenate([grid.values for grid in grids]),
        )

    def dense(self, first: int, last: int) -> dict[str, NDArray[np.int64]]:
        """Each counter as int64 [last - first + 1], 0 where there is no row."""
        inside = (self.keys >= first) & (self.keys <= last)
        table = np.zeros((last - first + 1, len(self.names)), np.int64)
        table[self.keys[inside] - first] = self.values[inside]
        return dict(zip(self.names, table.T, strict=True))


def check_int64(
    names: tuple[str, ...], values: NDArray[np.int64], starts: NDArray[np.intp]
) -> None:
    """Raise DataError if a sum of rows from one of `starts` to the next leaves INT64.

    Sums wrap around silently, so their upper halves are added up again on their own, unless no sum
    of so many values can be that large.
    """
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    most = int(np.diff(starts, append=len(values)).max(initial=0))
    if largest * most < 2**63:
        return
    high = np.add.reduceat(values >> 32, starts, axis=0)
    low = np.add.reduceat(values & 0xFFFFFFFF, starts, axis=0)
    high += low >> 32
    outside = ((high < -(2**31)) | (high >= 2**31)).any(axis=0)
    if outside.any():
        raise DataError(
            f"the counter {names[int(np.argmax(outside))]} adds up to more than INT64 holds "
            "(9.2e18): look for events with an absurd miles_amount, correct or remove them, and "
            "run again"
        )


@dataclass(frozen=True)
class Counters:
    """What users contribute to the marts: grids, whose order is the layout of stored counters.

    Attributes:
        daily: keys are days since 1970-01-01, names are `DAILY`. `window_N` holds the change of
            the number of users active in the last N days; its running sum is that number.
        monthly: keys are months since 1970-01, names are `MONTHLY`.
        cohorts: keys are `cohort_key(cohort month, period)`, names are `COHORTS`.
        weekly: keys are weeks, as `calendar.week_of` counts them, names are `PERIODIC`.
        engagement: keys are `engaged_key(day, window, days)`, names are `ENGAGED`: the change of
            the number of users who were active on so many dates of a window.
        day_curves, week_curves, month_curves: keys are `curve_key(segment, cohort, period)`, names
            are `CURVES`. Days count up to `LAST_PERIOD`; what is beyond is one period later.
        segment_days: keys are `segment_key(day, segment)`, names are `SEGMENT_DAILY`.
        segment_months: keys are `segment_key(month, segment)`, names are `PERIODIC`.
        session_days: keys are days since 1970-01-01, names are `SESSION_DAILY`.
        session_durations: keys are `duration_key(day, bucket)`, names are `SESSION_DURATIONS`.
        own_types: keys are `type_key(day, event type)` of types beyond the five of `daily`, names
            are `OWN_TYPES`.
    """

    daily: Grid
    monthly: Grid
    cohorts: Grid
    weekly: Grid
    engagement: Grid
    day_curves: Grid
    week_curves: Grid
    month_curves: Grid
    segment_days: Grid
    segment_months: Grid
    session_days: Grid
    session_durations: Grid
    own_types: Grid

    @classmethod
    def empty(cls) -> Counters:
        """The counters of no user."""
        return cls(**{name: Grid.empty(names) for name, names in GRIDS.items()})

    @classmethod
    def total(cls, parts: Iterable[Counters]) -> Counters:
        """The sum of any number of counters; of none, `empty()`."""
        parts = [cls.empty(), *parts]
        return cls(**{name: Grid.total([getattr(part, name) for part in parts]) for name in GRIDS})

    @property
    def lacking(self) -> list[str]:
        """The grids that an earlier version did not have, of a sum over all users that it has
        written: where somebody was active, none is empty, and where there are events, those of
        sessions are not."""
        filled = _OF_ACTIVITY if len(self.cohorts.keys) else _OF_EVENTS if self.events else ()
        return [name for name in filled if not len(getattr(self, name).keys)]

    @property
    def events(self) -> int:
        """How many events they count, of all types."""
        five = [DAILY.index(f"events_{event_type}") for event_type in EVENT_TYPES]
        own = self.own_types.values[:, OWN_TYPES.index("events")]
        return int(self.daily.values[:, five].sum() + own.sum())

    def check_lifetime(self) -> None:
        """Raise DataError if a counter's sum over all dates leaves INT64."""
        if len(self.daily.keys):
            check_int64(DAILY, self.daily.values, np.zeros(1, np.intp))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(**{name: getattr(self, name) - getattr(other, name) for name in GRIDS})


# The names of each grid's counters; grids are only ever appended.
GRIDS: Final[Mapping[str, tuple[str, ...]]] = {
    "daily": DAILY,
    "monthly": MONTHLY,
    "cohorts": COHORTS,
    "weekly": PERIODIC,
    "engagement": ENGAGED,
    "day_curves": CURVES,
    "week_curves": CURVES,
    "month_curves": CURVES,
    "segment_days": SEGMENT_DAILY,
    "segment_months": PERIODIC,
    "session_days": SESSION_DAILY,
    "session_durations": SESSION_DURATIONS,
    "own_types": OWN_TYPES,
}
# What is never empty where somebody was active.
_OF_ACTIVITY: Final = tuple(name for name in GRIDS if name != "own_types")
# What any event adds to, whichever types count as active.
_OF_EVENTS: Final = ("daily", "session_days", "session_durations")
