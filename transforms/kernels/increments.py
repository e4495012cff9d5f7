"""advance: what some more events make of many users, whether they are a stream's or a day's files.

    timelines before, stored events near the new ones, new events
      -> which events are new, the rows that they renumber, timelines after, changes of counters

A batch is the case in which nothing was before. Which stored events are near is not known at once:
a session may go on over midnight, and over the next one. So `advance` says which dates of which
users it lacks, and is called again with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.calendar import other_dates
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.event_batch import EVENT_BATCH
from transforms.kernels.recent_days import recent
from transforms.kernels.sessions import (
    Sessions,
    SortedEvents,
    number_sessions,
    sort_events,
)
from transforms.kernels.timelines import Timelines, timelines
from transforms.kernels.user_dates import StoredDates, UserDates, dates_of, near_dates
from transforms.reckoning import PLAIN, Reckoning
from transforms.vocabulary import EVENT_TYPES


@dataclass(frozen=True)
class StoredEvents:
    """Events as fct_events has them.

    Attributes:
        events: [n], with the schema EVENT_BATCH.
        sequence: int64 [n], event_sequence_in_session.
        session_digits: uint8 [n, 28], session_id in ASCII.
    """

    events: pa.RecordBatch
    sequence: NDArray[np.int64]
    session_digits: NDArray[np.uint8]

    @classmethod
    def none(cls) -> StoredEvents:
        """No event."""
        batch = pa.RecordBatch.from_pylist([], schema=EVENT_BATCH)
        return cls(batch, np.empty(0, np.int64), np.empty((0, 32), np.uint8))


@dataclass(frozen=True)
class Advanced:
    """What some more events make of their users.

    Attributes:
        events: [n], those that are new and those that are stored and renumbered, sorted; their
            `rows` count the stored events first.
        sessions: the sessions of `events`.
        is_new: bool [n], which of `events` were not stored.
        repeated: how many of the events that came were stored, or came twice; those that have the
            id of another one are `events.conflicts`.
        before: the timelines of users with a new event, as far as they had one.
        after: the timelines of all users with a new event, by user id.
        counters: contributions(after) - contributions(before).
    """

    events: SortedEvents
    sessions: Sessions
    is_new: NDArray[np.bool_]
    repeated: int
    before: Timelines
    after: Timelines
    counters: Counters


def advance(
    before: Timelines,
    stored: StoredEvents,
    events: Sequence[pa.RecordBatch],
    active_types: Sequence[int],
    event_types: tuple[str, ...] = EVENT_TYPES,
    reckoning: Reckoning = PLAIN,
) -> Advanced | UserDates:
    """Take some more events into account.

    Args:
        before: the timelines of the users of `events`, as far as they have one; others are no
            harm.
        stored: of some dates of some users all events that are stored; at best those of
            `dates_near`. Dates may be of any users, but are whole.
        events: with the schema EVENT_BATCH or IDENTIFIED_BATCH, in any order, repeated ones too.
        active_types: codes of the event types that make a user active.
        event_types: the names of the event types, by their codes.
        reckoning: how time is reckoned.

    Returns:
        What changes; or, where dates are missing in `stored` that the result depends on, these:
        call again with their events too. Each date that is asked for continues a session that
        renumbers it, so there are no more calls than such a session has midnights.

    Raises:
        DataError: if `before` and `stored` contradict each other, or as `sort_events`,
            `timelines` and `contributions`.
    """
    found = sort_events([stored.events, *events], event_types, reckoning)
    is_new = found.rows >= len(stored.events)
    dates = StoredDates.of(before, found, is_new)
    missing = dates.unread(found.user_of_event[is_new], dates_of(found)[is_new])
    if len(missing):
        return missing
    sessions = _continued(found, stored)
    missing = _missing_neighbours(dates, found, sessions, is_new)
    if len(missing):
        return missing
    changed = is_new | _renumbered(found, sessions, is_new, stored)
    new = found.where(is_new)
    known = of_users(before, new.user_ids)
    after = timelines_after(known, new)
    since = dates_of(new)[new.user_starts_mask]
    was_there = pc.is_in(new.user_ids, value_set=known.user_id).to_numpy(zero_copy_only=False)
    came = sum(len(batch) for batch in events)
    conflicting = sum(map(len, found.conflicts.values()))
    return Advanced(
        events=found.where(changed),
        sessions=sessions.where(changed),
        is_new=is_new[changed],
        repeated=came - conflicting - int(is_new.sum()),
        before=known,
        after=after,
        counters=change(
            recent(known, since[was_there], active_types),
            recent(after, since, active_types),
            active_types,
            reckoning,
        ),
    )


def dates_near(
    before: Timelines,
    events: Sequence[pa.RecordBatch],
    event_types: tuple[str, ...] = EVENT_TYPES,
    reckoning: Reckoning = PLAIN,
) -> UserDates:
    """The dates whose stored events `advance` surely asks for, and those that it may soon.

    They are the dates of the events, and others where an event is less than a session's gap away.

    Args:
        before, events, event_types, reckoning: as `advance` takes them.
    """
    found = sort_events(events, event_types, reckoning)
    everything = np.ones(len(found.rows), np.bool_)
    dates = StoredDates.of(before, found, everything)
    user, (rows, others) = found.user_of_event, near_dates(found.time_us, reckoning)
    return dates.unread(
        np.concatenate([user, user[rows]]), np.concatenate([dates_of(found), others])
    )


def timelines_after(before: Timelines, new: SortedEvents) -> Timelines:
    """The timelines of users with some events more, none of which they had."""
    added = timelines(new)
    return Timelines.total([before, added], new.reckoning) if len(before) else added


def change(
    before: Timelines,
    after: Timelines,
    active_types: Sequence[int],
    reckoning: Reckoning,
) -> Counters:
    """What it changes in the sums over all users that some have other timelines.

    Without `after` it takes the users of `before` out.
    """
    counters = contributions(after, active_types, reckoning)
    return counters - contributions(before, active_types, reckoning) if len(before) else counters


def of_users(lives: Timelines, user_ids: pa.Array) -> Timelines:
    """The timelines of some users, as far as they have one, in the order of `user_ids`."""
    places = pc.index_in(user_ids, value_set=lives.user_id).drop_null()
    return lives.take(places.to_numpy().astype(np.int64))


def _continued(found: SortedEvents, stored: StoredEvents) -> Sessions:
    """The sessions of stored and new events; one whose first events are not there goes on."""
    sessions = number_sessions(found)
    if not len(stored.events):
        return sessions
    first = np.flatnonzero(sessions.starts)
    row = found.rows[first]
    is_stored = row < len(stored.events)
    begun = np.zeros(len(first), np.int64)
    begun[is_stored] = stored.sequence[row[is_stored]] - 1
    digits = sessions.id_digits.copy()
    digits[begun > 0] = stored.session_digits[row[begun > 0]]
    sequence = sessions.sequence + begun[sessions.session]
    return Sessions(sequence == 1, sequence, sessions.session, digits)


def _missing_neighbours(
    dates: StoredDates, found: SortedEvents, sessions: Sessions, is_new: NDArray[np.bool_]
) -> UserDates:
    """The dates on which a session with a new event may go on, and whose events are not there.

    Towards the past it does not matter what is before a stored event: its number is known.
    """
    first = np.flatnonzero(np.diff(sessions.session, prepend=-1))
    last = np.append(first[1:], len(found.rows))[: len(first)] - 1
    touched = _with_new(sessions, is_new)
    first, last = first[touched & is_new[first]], last[touched]
    reach_us = found.reckoning.session_gap_us - 1
    before, earlier = other_dates(found.time_us[first], -reach_us, found.reckoning)
    after, later = other_dates(found.time_us[last], reach_us, found.reckoning)
    user = found.user_of_event
    return dates.unread(
        np.concatenate([user[first[before]], user[last[after]]]), np.concatenate([earlier, later])
    )


def _with_new(sessions: Sessions, is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which sessions have a new event: bool [sessions]."""
    touched = np.zeros(len(sessions.id_digits), np.bool_)
    touched[sessions.session[is_new]] = True
    return touched


def _renumbered(
    found: SortedEvents, sessions: Sessions, is_new: NDArray[np.bool_], stored: StoredEvents
) -> NDArray[np.bool_]:
    """Which events are stored with another number or session: bool [events].

    What follows from the events around an event are session_id, is_session_start (the number is 1)
    and event_sequence_in_session; sessions without a new event are as they were. An event gets into
    another session only where one comes before it, and then its number rises too.
    """
    changed = np.zeros(len(is_new), np.bool_)
    rows = np.flatnonzero(_with_new(sessions, is_new)[sessions.session] & ~is_new)
    was = found.rows[rows]
    changed[rows] = stored.sequence[was] != sessions.sequence[rows]
    return changed
