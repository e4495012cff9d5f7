"""What some more events make of one user of a stream.

Most events come in order: later than all that their user had. Such an event is no repeated one,
renumbers nothing, and needs the user's head alone. Any other asks for the events of the horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from transforms.kernels.codecs.record_codec import Record, sorted_events
from transforms.kernels.codecs.single_timeline import encode_timeline
from transforms.kernels.increments import timelines_after
from transforms.kernels.sessions import sequences
from transforms.kernels.user_head import (
    NOWHERE,
    Place,
    UserHead,
    fact_of,
    folded,
    timelines_of_heads,
)
from transforms.reckoning import PLAIN, Reckoning


class Numbered(NamedTuple):
    """An event and its place in its user's sessions."""

    record: Record
    place: Place


@dataclass(frozen=True)
class AdvancedUser:
    """What some more events make of a user.

    Attributes:
        head: the user's, written and due when it was before.
        new: events that were not there before.
        renumbered: events that were, and have another number or session now.
        repeated: how many events were there already.
        conflicting: events that have the id of another one that was there, which is beside each.
    """

    head: UserHead
    new: list[Numbered] = field(default_factory=list)
    renumbered: list[Numbered] = field(default_factory=list)
    repeated: int = 0
    conflicting: list[tuple[Record, Record]] = field(default_factory=list)


# Reads the events of the horizon, in any order.
Recent = Callable[[], Sequence[Record]]


def advance_user(
    user_id: str,
    head: UserHead | None,
    arrived: Sequence[Record],
    recent: Recent,
    reckoning: Reckoning = PLAIN,
    identified: bool = False,
) -> AdvancedUser:
    """Take some more events of one user into account.

    Args:
        user_id: whose.
        head: the user's; None for a new one.
        arrived: one event or more, distinct and in order; some may be there already.
        recent: reads the user's events of the horizon; it is not asked where events come in order.
        reckoning: how time is reckoned.
        identified: whether the source says which event each is: one that comes in order may then
            have the id of an earlier one, too.

    Raises:
        DataError: if the head can't be read, or if the miles of a day add up to more than INT64
            holds.
    """
    if head is None:
        head = _new(arrived[0], reckoning)
    elif identified or arrived[0].time_us <= head.last.time_us:
        return _out_of_order(user_id, head, arrived, sorted(recent()), reckoning)
    new = []
    gap_us = reckoning.session_gap_us
    time_us, session_us, sequence = head.last
    for record in arrived:
        if record.time_us - time_us >= gap_us:
            session_us, sequence = record.time_us, 0
        time_us, sequence = record.time_us, sequence + 1
        new.append(Numbered(record, Place(time_us, session_us, sequence)))
    facts = head.facts + b"".join(map(fact_of, arrived))
    return AdvancedUser(folded(user_id, head.after(new[-1].place, facts), reckoning), new)


def _new(first: Record, reckoning: Reckoning) -> UserHead:
    """The head of a user before the first event."""
    before = Place(first.time_us - reckoning.session_gap_us, 0, 0)
    return UserHead(0, first[:3], before, NOWHERE, 0, b"", b"", first.data)


def _out_of_order(
    user_id: str,
    head: UserHead,
    arrived: Sequence[Record],
    recent: list[Record],
    reckoning: Reckoning,
) -> AdvancedUser:
    known = {record[1:3]: record for record in recent}
    new = [record for record in arrived if record[1:3] not in known]
    there = [(record, known[record[1:3]]) for record in arrived if record[1:3] in known]
    conflicting = [(record, first) for record, first in there if record.data != first.data]
    repeated = len(there) - len(conflicting)
    if not new:
        return AdvancedUser(head, repeated=repeated, conflicting=conflicting)
    places = places_of(recent, head.floor, reckoning)
    before = {record[1:3]: place for record, place in zip(recent, places, strict=True)}
    events = sorted([*recent, *new])
    numbered = list(map(Numbered, events, places_of(events, head.floor, reckoning)))
    # An event gets into another session only where one comes before it: its number rises then.
    renumbered = [
        event
        for event in numbered
        if (was := before.get(event.record[1:3])) and was.sequence != event.place.sequence
    ]
    # The last one may be gone from the horizon, and be the floor.
    last = numbered[-1].place if numbered[-1].place.time_us >= head.last.time_us else head.last
    return AdvancedUser(
        _with(user_id, head, new, reckoning)._replace(last=last),
        [event for event in numbered if event.record[1:3] not in known],
        renumbered,
        repeated,
        conflicting,
    )


def _with(user_id: str, head: UserHead, new: Sequence[Record], reckoning: Reckoning) -> UserHead:
    """A head whose timeline counts some events more."""
    if new[0][:3] > head.first:
        facts = head.facts + b"".join(map(fact_of, new))
        return folded(user_id, head._replace(facts=facts), reckoning)
    # Another event is the first one.
    before = timelines_of_heads({user_id: head}, reckoning)
    timeline = timelines_after(before, sorted_events({user_id: new}, reckoning=reckoning))
    return head._replace(
        first=new[0][:3], timeline=encode_timeline(timeline), facts=b"", first_event=b""
    )


def places_of(events: Sequence[Record], floor: Place, reckoning: Reckoning = PLAIN) -> list[Place]:
    """The places of a user's events.

    Args:
        events: in order.
        floor: of the latest event before them.
        reckoning: how time is reckoned.
    """
    if not events:
        return []
    time_us = np.array([record.time_us for record in events], np.int64)
    gap_us = reckoning.session_gap_us
    gaps = np.diff(time_us, prepend=floor.time_us if floor.sequence else time_us[0] - gap_us)
    starts = gaps >= gap_us
    goes_on = not starts[0]
    starts[0] = True
    sequence, first = sequences(starts), np.flatnonzero(starts)
    session_us = np.repeat(time_us[first], np.diff(np.append(first, len(events))))
    if goes_on:
        rows = slice(0, first[1] if len(first) > 1 else len(events))
        sequence[rows] += floor.sequence
        session_us[rows] = floor.session_us
    return list(map(Place, time_us.tolist(), session_us.tolist(), sequence.tolist()))


def without_those_before(
    head: UserHead, recent: Sequence[Record], since_us: int, reckoning: Reckoning = PLAIN
) -> tuple[UserHead, list[Record]]:
    """A head and the events of the horizon without those from before a moment.

    Args:
        head: the user's.
        recent: the user's events of the horizon, in any order.
        since_us: the moment, in microseconds since 1970-01-01.
        reckoning: how time is reckoned.
    """
    events = sorted(recent)
    kept = [record for record in events if record.time_us >= since_us]
    if len(kept) == len(events):
        return head, kept
    latest = places_of(events, head.floor, reckoning)[len(events) - len(kept) - 1]
    return head._replace(floor=latest), kept
