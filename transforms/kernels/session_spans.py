"""Session spans: when each user's sessions began and ended, as flat arrays with user offsets.

They add up as timelines do: two sets of events have the sessions of both, of which those that
overlap, or are less than a gap apart, are one. So an event that comes late needs no other event to
say what becomes of the sessions around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.order import by_user_and_time, largest_so_far
from transforms.kernels.sessions import session_starts


@dataclass(frozen=True)
class SessionSpans:
    """The sessions of many users.

    Attributes:
        offsets: int64 [users + 1]; user u has the sessions offsets[u]:offsets[u + 1], in ascending
            order, at least one.
        start_us, end_us: int64 [sessions], the first and the last event, in microseconds since
            1970-01-01.
        events: int64 [sessions], how many events.
    """

    offsets: NDArray[np.int64]
    start_us: NDArray[np.int64]
    end_us: NDArray[np.int64]
    events: NDArray[np.int64]

    @classmethod
    def of_events(
        cls, user_starts_mask: NDArray[np.bool_], time_us: NDArray[np.int64], gap_us: int
    ) -> SessionSpans:
        """The sessions of events by user and time.

        Args:
            user_starts_mask: bool [events], true at each user's first event.
            time_us: int64 [events], microseconds since 1970-01-01.
            gap_us: the shortest pause between two sessions.
        """
        first = np.flatnonzero(session_starts(user_starts_mask, time_us, gap_us))
        events = np.diff(first, append=len(time_us))
        users = np.searchsorted(first, np.flatnonzero(user_starts_mask))
        return cls(
            np.append(users, len(first)), time_us[first], time_us[first + events - 1], events
        )

    @classmethod
    def concat(cls, parts: Sequence[SessionSpans]) -> SessionSpans:
        """The sessions of one or more parts side by side, in their order; users may repeat."""
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            np.append(0, np.cumsum(counts)),
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("start_us", "end_us", "events")
            ),
        )

    @classmethod
    def total(
        cls, parts: Sequence[SessionSpans], user: NDArray[np.int64], users: int, gap_us: int
    ) -> SessionSpans:
        """The sessions of the events of one or more parts together; no event is in two of them.

        Args:
            parts: the parts.
            user: int64, for the users of each part, one part after the other, which user of the
                total each is.
            users: how many the total has.
            gap_us: the shortest pause between two sessions.
        """
        spans = cls.concat(parts)
        whose = user[spans.user_of_session]
        order = by_user_and_time(whose, spans.start_us)
        whose, start_us = whose[order], spans.start_us[order]
        end_us = largest_so_far(spans.end_us[order], whose)
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (whose[1:] != whose[:-1]) | (start_us[1:] - end_us[:-1] >= gap_us)
        first = np.flatnonzero(begins)
        events = np.add.reduceat(spans.events[order], first) if len(first) else spans.events
        counts = np.bincount(whose[first], minlength=users)
        last = np.append(first[1:], len(order))[: len(first)] - 1
        return cls(np.append(0, np.cumsum(counts)), start_us[first], end_us[last], events)

    def between(self, start: int, stop: int) -> SessionSpans:
        """The sessions of the users from `start` to below `stop`; nothing is copied."""
        offsets = self.offsets[start : stop + 1]
        return self._of(slice(offsets[0], offsets[-1]), offsets - offsets[0])

    def take(self, users: NDArray[np.int64]) -> SessionSpans:
        """The sessions of some users, by their indices and in this order."""
        counts = np.diff(self.offsets)[users]
        offsets = np.append(0, np.cumsum(counts))
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], counts)
        return self._of(rows, offsets)

    def where(self, chosen: NDArray[np.bool_]) -> SessionSpans:
        """Some of the sessions, at least one of each user: bool [sessions]."""
        counts = np.add.reduceat(chosen, self.offsets[:-1], dtype=np.int64)
        return self._of(np.flatnonzero(chosen), np.append(0, np.cumsum(counts)))

    def _of(self, rows: Any, offsets: NDArray[np.int64]) -> SessionSpans:
        return SessionSpans(offsets, self.start_us[rows], self.end_us[rows], self.events[rows])

    @property
    def user_of_session(self) -> NDArray[np.int64]:
        """int64 [sessions]: the index of each session's user."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
