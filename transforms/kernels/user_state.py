"""What streaming remembers of a user: the timeline, and which events it has seen lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.hashing import Hashes
from transforms.kernels.increments import timelines_after
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines


@dataclass(frozen=True)
class RecentEvents:
    """The events of a user that may still be repeated.

    Attributes:
        time_us: int64 [n], their event times, ascending.
        ids: [n], their ids.
    """

    time_us: NDArray[np.int64]
    ids: Hashes

    @classmethod
    def none(cls) -> RecentEvents:
        """No event."""
        return cls(np.empty(0, np.int64), Hashes.none())

    def has(self, events: SortedEvents) -> NDArray[np.bool_]:
        """bool [events]: which of them are among these."""
        known = set(zip(self.ids.high.tolist(), self.ids.low.tolist(), strict=True))
        ids = zip(events.ids.high.tolist(), events.ids.low.tolist(), strict=True)
        return np.fromiter((pair in known for pair in ids), np.bool_, len(events.ids))

    def and_those(self, events: SortedEvents, since_us: int) -> RecentEvents:
        """These events and more, without those from before `since_us`."""
        time_us = np.concatenate([self.time_us, events.time_us])
        order = np.argsort(time_us, kind="stable")
        order = order[time_us[order] >= since_us]
        return RecentEvents(time_us[order], Hashes.concat([self.ids, events.ids])[order])


@dataclass(frozen=True)
class AdvancedUser:
    """What some more events make of a user.

    Attributes:
        new: the events that were not seen before.
        repeated: how many were.
        timeline: the user's timeline with the new events; None where there was none and is none.
        recent: what may be repeated from now on.
    """

    new: SortedEvents
    repeated: int
    timeline: Timelines | None
    recent: RecentEvents


def advance_user(
    before: Timelines | None,
    recent: RecentEvents,
    events: pa.RecordBatch,
    now_us: int,
    kept_us: int,
) -> AdvancedUser:
    """Take some more events of one user into account.

    Args:
        before: the user's timeline so far; None for a new user.
        recent: the events that the user had lately.
        events: with the schema EVENT_BATCH, in any order, repeated ones too.
        now_us: the moment, in microseconds since 1970-01-01.
        kept_us: events are remembered for so long: later ones come too late to be taken, whether
            they are repeated or not.
    """
    arrived = sort_events([events])
    known = recent.has(arrived)
    new = arrived.where(~known) if known.any() else arrived
    repeated = len(events) - len(new.time_us)
    if not len(new.time_us):
        return AdvancedUser(new, repeated, before, recent)
    timeline = timelines(new) if before is None else timelines_after(before, new)
    # A worker whose clock is days ahead must not forget what the others still take for repeated.
    since_us = min(now_us, int(timeline.last_seen_us[0])) - kept_us
    return AdvancedUser(new, repeated, timeline, recent.and_those(new, since_us))
