"""What every event of a user reads and writes in a stream: enough for one that comes in order."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from transforms.kernels.codecs.record_codec import Record, platform_of, texts_of
from transforms.kernels.codecs.single_timeline import decode_timeline, encode_timeline
from transforms.kernels.codecs.timeline_codec import decode_timelines
from transforms.kernels.hashing import Hashes
from transforms.kernels.timelines import Facts, Firsts, Timelines, timelines_of
from transforms.reckoning import PLAIN, Reckoning

# Facts take 18 bytes an event, and a timeline with so many more is encoded anew: 0.3 ms, which is
# 5 us an event.
_MOST_FACTS: Final = 64
_FACT: Final = struct.Struct("<qbbq")
_FACTS: Final = np.dtype(
    [("time_us", "<i8"), ("event_type", "i1"), ("platform", "i1"), ("miles", "<i8")]
)
_LAST_ID: Final = 2**64 - 1


class Place(NamedTuple):
    """Where an event stands in its user's sessions.

    Attributes:
        time_us: when it happened, in microseconds since 1970-01-01.
        session_us: when its session began.
        sequence: its number in the session, from 1; 0 for no event.
    """

    time_us: int
    session_us: int
    sequence: int


NOWHERE: Final = Place(0, 0, 0)


class UserHead(NamedTuple):
    """What is known of a user, but for the events of the horizon.

    Attributes:
        written_at_us: when the user's rows were written last, in microseconds since 1970-01-01.
        first: the time and the id of the first event.
        last: of the latest event.
        floor: of the latest event that is not among those of the horizon any more.
        due_us: when events are dropped from the horizon next; 0 for never.
        timeline: all events but those of `facts`, encoded; empty without any.
        facts: what the timeline is to count of further events.
        first_event: the record of the first event, where there is no timeline; else empty.
    """

    written_at_us: int
    first: tuple[int, int, int]
    last: Place
    floor: Place
    due_us: int
    timeline: bytes
    facts: bytes
    first_event: bytes

    def after(self, last: Place, facts: bytes) -> UserHead:
        """With another last event, and these facts."""
        # `_replace` takes five times as long.
        written_at_us, first, _, floor, due_us, timeline, _, first_event = self
        return UserHead(written_at_us, first, last, floor, due_us, timeline, facts, first_event)

    def stamped(self, written_at_us: int, due_us: int) -> UserHead:
        """With other moments."""
        _, first, last, floor, _, timeline, facts, first_event = self
        return UserHead(written_at_us, first, last, floor, due_us, timeline, facts, first_event)


def fact_of(record: Record) -> bytes:
    """What a timeline counts of an event."""
    return _FACT.pack(record.time_us, record.event_type, record.platform, max(record.miles, 0))


def folded(user_id: str, head: UserHead, reckoning: Reckoning) -> UserHead:
    """A head whose timeline has taken its facts in, where there are many of them.

    Raises:
        DataError: if the timeline can't be read, or if the miles of a day add up to more than
            INT64 holds.
    """
    if len(head.facts) <= _MOST_FACTS * _FACT.size:
        return head
    timeline = timelines_of_heads({user_id: head}, reckoning)
    return head._replace(timeline=encode_timeline(timeline), facts=b"", first_event=b"")


def timelines_of_heads(heads: Mapping[str, UserHead], reckoning: Reckoning = PLAIN) -> Timelines:
    """The timelines of users, by user id.

    Raises:
        DataError: as `folded` does.
    """
    users = sorted(heads.items())
    encoded = [(user_id, head.timeline) for user_id, head in users if head.timeline]
    counted = [(user_id, head) for user_id, head in users if head.facts]
    parts = []
    if len(encoded) == 1:
        parts.append(decode_timeline(*encoded[0]))
    elif encoded:
        ids, timelines = zip(*encoded, strict=True)
        parts.append(decode_timelines(pa.array(ids, pa.string()), pa.array(timelines, pa.binary())))
    if counted:
        parts.append(_counted(counted, reckoning))
    if not parts:
        return Timelines.none()
    return parts[0] if len(parts) == 1 else Timelines.total(parts, reckoning)


def _counted(users: list[tuple[str, UserHead]], reckoning: Reckoning) -> Timelines:
    """The timelines of the facts of users; where another part has the first event, none of these
    is taken for it."""
    sizes = np.array([len(head.facts) for _, head in users]) // _FACT.size
    facts = np.frombuffer(b"".join(head.facts for _, head in users), _FACTS)
    user = np.repeat(np.arange(len(users)), sizes)
    order = np.lexsort((facts["time_us"], user))
    facts, starts = facts[order], np.zeros(len(facts), np.bool_)
    starts[np.cumsum(sizes) - sizes] = True
    texts = [texts_of(head.first_event) if head.first_event else [None] * 3 for _, head in users]
    ids = [head.first[1:] if head.first_event else (_LAST_ID, _LAST_ID) for _, head in users]
    high, low = (np.array(words, np.uint64) for words in zip(*ids, strict=True))
    platforms = [platform_of(head.first_event) if head.first_event else 0 for _, head in users]
    return timelines_of(
        pa.array([user_id for user_id, _ in users], pa.string()),
        Facts(starts, *(np.ascontiguousarray(facts[name]) for name in _FACTS.fields or ())),
        Firsts(
            np.array(platforms, np.int8),
            pa.array([text[1] for text in texts], pa.string()),
            pa.array([text[2] for text in texts], pa.string()),
            Hashes(high, low),
        ),
        reckoning,
    )
