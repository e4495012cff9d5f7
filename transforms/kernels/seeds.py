"""What a stream begins with where the tables hold users already: heads and events of the horizon.

They are what the stream itself would keep of these users, had it seen all their events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.codecs.head_codec import encode_head
from transforms.kernels.codecs.record_codec import by_user, encode_records
from transforms.kernels.hashing import ascii_array
from transforms.kernels.increments import StoredEvents
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines
from transforms.kernels.user_head import NOWHERE, Place, UserHead
from transforms.vocabulary import EVENT_TYPES


class Seed(NamedTuple):
    """What is kept of a user, as bytes: the head, and the events of the horizon, if any."""

    user_id: str
    head: bytes
    recent: bytes


# When sessions began, in microseconds since 1970-01-01, by their ids, a string array; of those that
# can't be found nothing.
SessionStarts = Callable[[pa.Array], dict[str, int]]


def seeds_of(
    timelines: pa.Table,
    lives: Timelines,
    stored: StoredEvents,
    since_us: int,
    starts: SessionStarts,
    event_types: tuple[str, ...] = EVENT_TYPES,
) -> list[Seed]:
    """The seeds of users.

    Args:
        timelines: rows of user_timelines.
        lives: the timelines of these rows, in their order.
        stored: the events of some more than the horizon, of these users alone.
        since_us: when the horizon begins, in microseconds since 1970-01-01.
        starts: asked once for sessions that began before the first of `stored`.
        event_types: the names of the event types, by their codes.
    """
    events = sort_events([stored.events], event_types)
    places = _places(events, stored, starts)
    recent_rows = events.time_us >= since_us
    recent = dict(by_user(events.where(recent_rows))) if recent_rows.any() else {}
    last_and_floor = _of_users(events, places, recent_rows)
    columns = (
        timelines["user_id"].to_pylist(),
        timelines["timeline"].to_pylist(),
        timelines["written_at"].cast(pa.int64()).to_pylist(),
        lives.first_seen_us.tolist(),
        lives.first_id.high.tolist(),
        lives.first_id.low.tolist(),
        lives.last_seen_us.tolist(),
    )
    found = []
    for user_id, timeline, written_at_us, *first, last_us in zip(*columns, strict=True):
        # Of a user without an event of late: whatever comes next begins a session.
        old = Place(last_us, last_us, 1)
        last, floor = last_and_floor.get(user_id, (old, old))
        head = UserHead(written_at_us, tuple(first), last, floor, 0, timeline, b"", b"")
        records = recent.get(user_id)
        encoded = encode_records([records]) if records else b""
        found.append(Seed(user_id, encode_head(head), encoded))
    return found


def _of_users(
    events: SortedEvents, places: list[Place], recent: NDArray[np.bool_]
) -> dict[str, tuple[Place, Place]]:
    """By user the places of the last event, and of the last one before the horizon."""
    first = np.flatnonzero(events.user_starts_mask)
    ends = np.append(first[1:], len(recent))[: len(first)]
    before = np.append(0, np.cumsum(~recent))
    floors = first + before[ends] - before[first]
    rows = zip(
        events.user_ids.to_pylist(), first.tolist(), floors.tolist(), ends.tolist(), strict=True
    )
    return {
        user_id: (places[end - 1], places[floor - 1] if floor > start else NOWHERE)
        for user_id, start, floor, end in rows
    }


def _places(events: SortedEvents, stored: StoredEvents, starts: SessionStarts) -> list[Place]:
    """Where each event stands in its user's sessions."""
    if not len(events.ids):
        return []
    sequence = stored.sequence[events.rows]
    # The row in which the session of each began; -1 where that is not here.
    rows = np.arange(len(sequence))
    begun = np.maximum.accumulate(np.where(sequence == 1, rows, -1))
    begun[begun < np.maximum.accumulate(np.where(events.user_starts_mask, rows, 0))] = -1
    session_us: NDArray[np.int64] = events.time_us[begun]
    missing = np.flatnonzero(begun < 0)
    if len(missing):
        digits = ascii_array(stored.session_digits[events.rows[missing]]).dictionary_encode()
        known = starts(digits.dictionary)
        times = [known.get(text, 0) for text in digits.dictionary.to_pylist()]
        session_us[missing] = np.array(times, np.int64)[digits.indices.to_numpy()]
    return list(map(Place, events.time_us.tolist(), session_us.tolist(), sequence.tolist()))
