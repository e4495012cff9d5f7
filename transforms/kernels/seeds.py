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
from transforms.kernels.codecs.layouts import refuse_damaged
from transforms.kernels.codecs.record_codec import by_user, encode_records
from transforms.kernels.codecs.timeline_layout import HEAD, check_versions
from transforms.kernels.hashing import hex_array
from transforms.kernels.increments import StoredEvents
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.user_head import NOWHERE, Place, UserHead


class Seed(NamedTuple):
    """What is kept of a user, as bytes: the head, and the events of the horizon, if any."""

    user_id: str
    head: bytes
    recent: bytes


# When sessions began, in microseconds since 1970-01-01, by their ids, a string array; of those that
# can't be found nothing.
SessionStarts = Callable[[pa.Array], dict[str, int]]


def seeds_of(
    timelines: pa.Table, stored: StoredEvents, since_us: int, starts: SessionStarts
) -> list[Seed]:
    """The seeds of users.

    Args:
        timelines: rows of user_timelines.
        stored: the events of some more than the horizon, of these users alone.
        since_us: when the horizon begins, in microseconds since 1970-01-01.
        starts: asked once for sessions that began before the first of `stored`.

    Raises:
        DataError: if a later version wrote a timeline, or if it is damaged.
    """
    events = sort_events([stored.events])
    places = _places(events, stored, starts)
    users = events.user_ids.to_pylist()
    recent_rows = events.time_us >= since_us
    recent = dict(by_user(events.where(recent_rows))) if recent_rows.any() else {}
    first = np.flatnonzero(events.user_starts_mask).tolist()
    rows = dict(zip(users, zip(first, [*first[1:], len(events.ids)], strict=False), strict=True))
    cut = np.append(0, np.cumsum(~recent_rows))
    found = []
    for user_id, head in _heads(timelines):
        if user_id in rows:
            start, end = rows[user_id]
            old = start + int(cut[end] - cut[start])
            head = head._replace(
                last=places[end - 1], floor=places[old - 1] if old > start else NOWHERE
            )
        else:
            head = head._replace(floor=head.last)
        records = recent.get(user_id)
        encoded = encode_records([records]) if records else b""
        found.append(Seed(user_id, encode_head(head), encoded))
    return found


def _heads(timelines: pa.Table) -> list[tuple[str, UserHead]]:
    """Heads as if no event were within the horizon: whatever comes next begins a session."""
    heads = []
    written = timelines["written_at"].cast(pa.int64()).to_pylist()
    for user_id, timeline, written_at_us in zip(
        timelines["user_id"].to_pylist(), timelines["timeline"].to_pylist(), written, strict=True
    ):
        if len(timeline) < HEAD.itemsize:
            refuse_damaged(f"the timeline of user {user_id!r}")
        check_versions(np.frombuffer(timeline, np.uint8, 1))
        fixed = np.frombuffer(timeline, HEAD, 1)[0]
        first = (int(fixed["first_seen_us"]), int(fixed["high"]), int(fixed["low"]))
        last_us = int(fixed["last_seen_us"])
        last = Place(last_us, last_us, 1)
        heads.append(
            (user_id, UserHead(written_at_us, first, last, NOWHERE, 0, timeline, b"", b""))
        )
    return heads


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
        digits = hex_array(stored.session_digits[events.rows[missing]]).dictionary_encode()
        known = starts(digits.dictionary)
        times = [known.get(text, 0) for text in digits.dictionary.to_pylist()]
        session_us[missing] = np.array(times, np.int64)[digits.indices.to_numpy()]
    return list(map(Place, events.time_us.tolist(), session_us.tolist(), sequence.tolist()))
