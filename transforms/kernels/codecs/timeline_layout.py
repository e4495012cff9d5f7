"""What the bytes of a user's timeline are.

Layout 4, without the user id: 34 bytes of fixed size, `HEAD`; a byte that says how many bytes the
two lengths of texts take; these lengths (bytes + 1, 0 for NULL) and the texts; then numbers: how
many days, how many sessions, the first date, each day's distance from the day before, which of its
counters are not 0; of each session but the last its duration, by how much the pause after it is
longer than the shortest one, and how many events it has; and the counters that are not 0. All
lengths and numbers are varints. A day takes 6 to 12 bytes, a session up to 12. The last session
ends with the last event, and has the events that no other one has.

Layout 5 is of users who have events of own types, and of no others. It ends with three numbers for
each day and own type: how many of the user's days lie between it and the one before in this list,
or the first of all days; the type's code beyond the five; and how many events there are.

Layouts 6 and 7 are 4 and 5 of users one of whose pauses is shorter than 30 minutes, as it can be
where sessions end after a shorter gap: of them whole pauses are stored.

Layout 3 is without sessions. Layouts 1 and 2 have event ids that are made (1) or written (2)
otherwise, too: they can't be compared with today's, and a repeated event would count twice. All of
them are refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.codecs.layouts import (
    check_layout,
    refuse_damaged,
    refuse_other_ids,
    refuse_unknown_counters,
)
from transforms.kernels.own_events import OwnEvents
from transforms.kernels.session_spans import SessionSpans
from transforms.kernels.timelines import Timelines
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

LATEST: Final = 7
_PLAIN: Final = 4
_OWN: Final = 5
_SHORT: Final = 6
_SHORT_AND_OWN: Final = 7
_NO_SESSIONS: Final = 3
_OTHER_IDS: Final = (1, 2)
HEAD: Final = np.dtype(
    [
        ("version", "u1"),
        ("first_seen_us", "<i8"),
        ("last_seen_us", "<i8"),
        ("high", "<u8"),
        ("low", "<u8"),
        ("first_platform", "i1"),
    ]
)
# What is taken off the pauses of users who have none that is shorter.
_USUAL_GAP_US: Final = 30 * 60 * 1_000_000
# Events hold codes as int8.
_LARGEST_CODE: Final = 127
TEXTS: Final = ("first_utm_source", "first_country")

# A day's counters by their bits: names are only ever appended, so that what is stored can be read.
# Of one that is appended, earlier days have 0; where that is untrue, the layout gets a new number.
DAY_COUNTERS: Final = (
    *("miles_earned", "miles_redeemed", "share", "like", "reward_search"),
    *("iOS", "Android", "Web"),
    *("miles earned", "miles redeemed"),
)
_TYPES: Final = [DAY_COUNTERS.index(name) for name in EVENT_TYPES]
_PLATFORMS: Final = [DAY_COUNTERS.index(name) for name in PLATFORMS]
_EARNED: Final = DAY_COUNTERS.index("miles earned")
_REDEEMED: Final = DAY_COUNTERS.index("miles redeemed")


def counters_of(users: Timelines) -> NDArray[np.int64]:
    """The counters of each day: int64 [days, DAY_COUNTERS]."""
    counters = np.empty((len(users.date), len(DAY_COUNTERS)), np.int64)
    counters[:, _TYPES], counters[:, _PLATFORMS] = users.type_events, users.platform_events
    counters[:, _EARNED], counters[:, _REDEEMED] = users.miles_earned, users.miles_redeemed
    return counters


def fields_of(counters: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The fields of timelines that `counters_of` reads."""
    return {
        "type_events": counters[:, _TYPES],
        "platform_events": counters[:, _PLATFORMS],
        "miles_earned": np.ascontiguousarray(counters[:, _EARNED]),
        "miles_redeemed": np.ascontiguousarray(counters[:, _REDEEMED]),
    }


def breaks_of(sessions: SessionSpans) -> NDArray[np.int64]:
    """Of each session that another one follows duration, pause and events: int64 [n, 3]."""
    followed, pauses = _pauses(sessions)
    durations = sessions.end_us[followed] - sessions.start_us[followed]
    taken = np.where(_have_short(sessions), 0, _USUAL_GAP_US)
    pauses = pauses - np.repeat(taken, np.diff(sessions.offsets) - 1)
    return np.column_stack([durations, pauses, sessions.events[followed]])


def _pauses(sessions: SessionSpans) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sessions that another one of the same user follows, and the pause after each."""
    followed = _followed(sessions.offsets)
    return followed, sessions.start_us[followed + 1] - sessions.end_us[followed]


def _have_short(sessions: SessionSpans) -> NDArray[np.bool_]:
    """Which users have a pause that is shorter than the usual gap: bool [users]."""
    followed, pauses = _pauses(sessions)
    short = followed[pauses < _USUAL_GAP_US]
    found = np.zeros(len(sessions.offsets) - 1, np.bool_)
    if len(short):
        found[np.searchsorted(sessions.offsets, short, side="right") - 1] = True
    return found


def sessions_of(
    breaks: NDArray[np.int64],
    sessions: NDArray[np.int64],
    first_seen_us: NDArray[np.int64],
    last_seen_us: NDArray[np.int64],
    events: NDArray[np.int64],
    versions: NDArray[np.uint8],
) -> SessionSpans:
    """The sessions that `breaks_of` was given.

    Args:
        breaks: what it gave.
        sessions: int64 [users], how many each user has.
        first_seen_us, last_seen_us: int64 [users], the user's first and last event.
        events: int64 [users], how many events each user has.
        versions: uint8 [users], the layouts.
    """
    offsets = np.append(0, np.cumsum(sessions))
    followed, first = _followed(offsets), offsets[:-1]
    steps = np.zeros(offsets[-1], np.int64)
    taken = np.where(np.isin(versions, (_SHORT, _SHORT_AND_OWN)), 0, _USUAL_GAP_US)
    steps[followed + 1] = breaks[:, 0] + breaks[:, 1] + np.repeat(taken, sessions - 1)
    start_us = np.cumsum(steps)
    start_us += np.repeat(first_seen_us - start_us[first], sessions)
    end_us = np.empty_like(start_us)
    end_us[offsets[1:] - 1] = last_seen_us
    end_us[followed] = start_us[followed] + breaks[:, 0]
    counts = np.zeros(offsets[-1], np.int64)
    counts[followed] = breaks[:, 2]
    counts[offsets[1:] - 1] = events - np.add.reduceat(counts, first)
    return SessionSpans(offsets, start_us, end_us, counts)


def _followed(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sessions that another one of the same user follows."""
    followed = np.ones(offsets[-1], np.bool_)
    followed[offsets[1:] - 1] = False
    return np.flatnonzero(followed)


def versions_of(users: Timelines) -> NDArray[np.uint8]:
    """The layout of each user: uint8 [users]."""
    versions = np.full(len(users), _PLAIN, np.uint8)
    if len(users.own_events):
        versions[users.user_of_day[users.own_events.day]] = _OWN
    versions[_have_short(users.sessions)] += _SHORT - _PLAIN
    return versions


def own_numbers(users: Timelines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What layout 5 ends with: int64 [n, 3] of all users, and how many rows of it each has."""
    own = users.own_events
    if not len(own):
        return np.empty((0, 3), np.int64), np.zeros(len(users), np.int64)
    user = users.user_of_day[own.day]
    place = own.day - users.day_offsets[user]
    steps = np.diff(place, prepend=0)
    firsts = np.flatnonzero(np.diff(user, prepend=-1))
    steps[firsts] = place[firsts]
    rows = np.column_stack([steps, own.event_type - len(EVENT_TYPES), own.events])
    return rows, np.bincount(user, minlength=len(users))


def own_events_of(
    numbers: NDArray[np.int64], counts: NDArray[np.int64], day_offsets: NDArray[np.int64]
) -> OwnEvents:
    """The events that `own_numbers` was given.

    Args:
        numbers: what it gave.
        counts: int64 [users], how many rows of them each user has.
        day_offsets: int64 [users + 1], as `Timelines` has them.

    Raises:
        ValueError: if a day is none of its user's, or a code can't be.
    """
    if not len(numbers):
        return OwnEvents.none()
    if int(numbers[:, 1].max()) + len(EVENT_TYPES) > _LARGEST_CODE:
        raise ValueError("there is no such event type")
    starts = (np.cumsum(counts) - counts)[counts > 0]
    run = np.cumsum(numbers[:, 0])
    before = np.repeat((run - numbers[:, 0])[starts], counts[counts > 0])
    day = np.repeat(day_offsets[:-1], counts) + run - before
    if (day >= np.repeat(day_offsets[1:], counts)).any():
        raise ValueError("there is no such day")
    return OwnEvents(day, numbers[:, 1] + len(EVENT_TYPES), numbers[:, 2].copy())


def masks_of(filled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each day a number whose bits say which counters are not 0: [days, n] -> int64 [days]."""
    return filled @ (1 << np.arange(len(DAY_COUNTERS)))


def filled_by(masks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """What `masks_of` was given.

    Raises:
        DataError: if there is a counter that this code doesn't know.
    """
    if (most := int(masks.max(initial=0))) >= 1 << len(DAY_COUNTERS):
        refuse_unknown_counters("a day of a timeline", most.bit_length(), len(DAY_COUNTERS))
    return (masks[:, np.newaxis] >> np.arange(len(DAY_COUNTERS)) & 1).astype(np.bool_)


def have_own(versions: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which layouts end with events of own types: bool [users]."""
    has_own: NDArray[np.bool_] = np.isin(versions, (_OWN, _SHORT_AND_OWN))
    return has_own


def check_versions(versions: NDArray[np.uint8]) -> None:
    """Raise DataError unless all layouts are ones that can be read: uint8 [users]."""
    if (versions >= _PLAIN).all() and (versions <= LATEST).all():
        return
    check_layout("a timeline", int(versions.max()), LATEST)
    if np.isin(versions, _OTHER_IDS).any():
        refuse_other_ids("a timeline")
    if (versions == _NO_SESSIONS).any():
        raise DataError(
            "a timeline is stored in layout 3, of an earlier version, without the user's sessions: "
            "run `rebuild`, which writes all tables anew from their events; a streaming job is "
            "drained before, and started again after it"
        )
    refuse_damaged("a timeline")
