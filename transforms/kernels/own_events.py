"""What days of timelines count of own event types: sparse, so that it costs nothing without any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.counters import OWN_TYPES, Grid
from transforms.kernels.grid_keys import type_key
from transforms.vocabulary import EVENT_TYPES

# Of a day and an event type one number, below those of other days.
_TYPE_BITS: Final = 8

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OwnEvents:
    """Events of own types by day and type, in this order, each pair once.

    Attributes:
        day: int64 [n], the row of each one's day.
        event_type: int64 [n], codes from len(EVENT_TYPES) on.
        events: int64 [n], 1 or more.
    """

    day: Ints
    event_type: Ints
    events: Ints

    @classmethod
    def none(cls) -> OwnEvents:
        """No event."""
        return cls(*(np.empty(0, np.int64) for _ in range(3)))

    @classmethod
    def of_events(cls, day_of_event: Ints, event_type: NDArray[np.int8]) -> OwnEvents:
        """Those of events, of which the row of each one's day is given: [events] both."""
        own = np.flatnonzero(event_type >= len(EVENT_TYPES))
        if not len(own):
            return cls.none()
        return cls._summed(day_of_event[own], event_type[own].astype(np.int64), np.ones_like(own))

    @classmethod
    def concat(cls, parts: Sequence[OwnEvents], days: Sequence[int]) -> OwnEvents:
        """Those of days side by side.

        Args:
            parts: of the days of each part.
            days: how many days each part has.
        """
        firsts = np.cumsum([0, *days])
        return cls(
            np.concatenate([part.day + at for part, at in zip(parts, firsts[:-1], strict=True)]),
            np.concatenate([part.event_type for part in parts]),
            np.concatenate([part.events for part in parts]),
        )

    @classmethod
    def _summed(cls, day: Ints, event_type: Ints, events: Ints) -> OwnEvents:
        keys, at = np.unique(day << _TYPE_BITS | event_type, return_inverse=True)
        counts = np.zeros(len(keys), np.int64)
        np.add.at(counts, at, events)
        return cls(keys >> _TYPE_BITS, keys & (1 << _TYPE_BITS) - 1, counts)

    def __len__(self) -> int:
        return len(self.day)

    def joined(self, order: Ints, starts: Ints) -> OwnEvents:
        """Those of days that are put into another order, and of which some become one.

        Args:
            order: int64 [days], the rows of days in that order.
            starts: int64 [n], the places in it at which a day begins.
        """
        if not len(self):
            return self
        row_of_day = np.empty(len(order), np.int64)
        row_of_day[order] = np.repeat(
            np.arange(len(starts)), np.diff(np.append(starts, len(order)))
        )
        return self._summed(row_of_day[self.day], self.event_type, self.events)

    def between(self, start: int, stop: int) -> OwnEvents:
        """Those of the days from `start` to below `stop`."""
        rows = slice(*np.searchsorted(self.day, [start, stop]).tolist())
        return OwnEvents(self.day[rows] - start, self.event_type[rows], self.events[rows])

    def take(self, days: Ints, of_days: int) -> OwnEvents:
        """Those of some days, in this order.

        Args:
            days: int64 [n], rows of days, none twice.
            of_days: how many days there are.
        """
        if not len(self):
            return self
        rows = np.full(of_days, -1)
        rows[days] = np.arange(len(days))
        kept = np.flatnonzero(rows[self.day] >= 0)
        return self._summed(rows[self.day[kept]], self.event_type[kept], self.events[kept])

    def active_days(self, active_types: Collection[int]) -> Ints:
        """The rows of days that have an event of one of some types."""
        return self.day[np.isin(self.event_type, list(active_types))]

    def grid(self, date: Ints) -> Grid:
        """What the days of users add to the counters of dates and types.

        Args:
            date: int64 [days], days since 1970-01-01.
        """
        keys = type_key(date[self.day], self.event_type)
        return Grid.sum_rows(
            OWN_TYPES, keys, np.column_stack([self.events, np.ones_like(self.events)])
        )
