"""What streaming remembers of a user: the timeline, and which events it has seen lately."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels import varints
from transforms.kernels.hashing import Hashes
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

# The layouts, and what ids are made of, are part of running jobs: they may only change together
# with this.
_VERSION: Final = 2
_USER: Final = struct.Struct("<BqqQQb")
_COUNTERS: Final = len(EVENT_TYPES) + len(PLATFORMS) + 2


def encode_timeline(user: Timelines) -> bytes:
    """The timeline of one user as bytes, without the user id.

    A day takes its distance from the day before, which of its ten counters are not 0, and those:
    6 to 12 bytes.
    """
    counters = np.column_stack(
        [user.type_events, user.platform_events, user.miles_earned, user.miles_redeemed]
    )
    filled = counters != 0
    masks = filled @ (1 << np.arange(_COUNTERS))
    steps = np.diff(user.date, prepend=user.date[:1])
    # Days before 1970 can't be: event times begin in 2000.
    numbers = np.concatenate([[len(steps), user.date[0]], steps, masks, counters[filled]])
    texts = [user.first_utm_source[0].as_py(), user.first_country[0].as_py()]
    sizes = np.array([0 if text is None else len(text.encode()) + 1 for text in texts])
    return b"".join(
        [
            _USER.pack(
                _VERSION,
                int(user.first_seen_us[0]),
                int(user.last_seen_us[0]),
                int(user.first_id.high[0]),
                int(user.first_id.low[0]),
                int(user.first_platform[0]),
            ),
            bytes([len(encoded := varints.encode(sizes))]),
            encoded,
            *(text.encode() for text in texts if text),
            varints.encode(numbers),
        ]
    )


def decode_timeline(user_id: str, data: bytes) -> Timelines:
    """The timeline that `encode_timeline` wrote.

    Raises:
        ValueError: if another version wrote it.
    """
    version, first_us, last_us, high, low, platform = _USER.unpack_from(data)
    if version != _VERSION:
        raise ValueError(
            f"a timeline is encoded as version {version}, not {_VERSION}: this code can't take "
            "over the job that wrote it; drain that job, build the tables with batch and start anew"
        )
    at = _USER.size + 1 + data[_USER.size]
    texts: list[str | None] = []
    for size in varints.decode(data[_USER.size + 1 : at]).tolist():
        texts.append(data[at : at + size - 1].decode() if size else None)
        at += max(size - 1, 0)
    numbers = varints.decode(data[at:])
    days, first_day = int(numbers[0]), int(numbers[1])
    steps, masks, values = np.split(numbers[2:], [days, 2 * days])
    filled = (masks[:, np.newaxis] >> np.arange(_COUNTERS) & 1).astype(np.bool_)
    counters = np.zeros((days, _COUNTERS), np.int64)
    counters[filled] = values
    types, platforms, miles = np.split(
        counters, [len(EVENT_TYPES), len(EVENT_TYPES) + len(PLATFORMS)], axis=1
    )
    return Timelines(
        user_id=pa.array([user_id], pa.string()),
        day_offsets=np.array([0, days]),
        date=first_day + np.cumsum(steps),
        type_events=types,
        platform_events=platforms,
        miles_earned=np.ascontiguousarray(miles[:, 0]),
        miles_redeemed=np.ascontiguousarray(miles[:, 1]),
        first_seen_us=np.array([first_us]),
        last_seen_us=np.array([last_us]),
        first_platform=np.array([platform], np.int8),
        first_utm_source=pa.array(texts[:1], pa.string()),
        first_country=pa.array(texts[1:], pa.string()),
        first_id=Hashes(np.array([high], np.uint64), np.array([low], np.uint64)),
    )


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

    def to_bytes(self) -> bytes:
        """24 bytes for each event."""
        arrays = (
            self.time_us.astype("<i8"),
            self.ids.high.astype("<u8"),
            self.ids.low.astype("<u8"),
        )
        return b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> RecentEvents:
        """The events that `to_bytes` wrote."""
        words = np.frombuffer(data, "<u8").reshape(3, -1)
        return cls(
            words[0].astype(np.int64),
            Hashes(words[1].astype(np.uint64), words[2].astype(np.uint64)),
        )

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
class Advanced:
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


def advance(
    before: Timelines | None,
    recent: RecentEvents,
    events: pa.RecordBatch,
    now_us: int,
    kept_us: int,
) -> Advanced:
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
    if known.any():
        kept = arrived.table.filter(pa.array(~known)).combine_chunks()
        batches = kept.to_batches()
        new = sort_events(batches)
    else:
        new = arrived
    repeated = len(events) - len(new.time_us)
    if not len(new.time_us):
        return Advanced(new, repeated, before, recent)
    added = timelines(new)
    timeline = added if before is None else Timelines.total([before, added])
    # A worker whose clock is days ahead must not forget what the others still take for repeated.
    since_us = min(now_us, int(timeline.last_seen_us[0])) - kept_us
    return Advanced(new, repeated, timeline, recent.and_those(new, since_us))
