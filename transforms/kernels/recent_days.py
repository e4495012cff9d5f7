"""What contributions depend on where events come after some date: not all that users ever did.

Each term of `contributions` is of one date, week or month, and depends on the user's first active
one, on the active ones before and after it, and on the 28 dates before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.timelines import Timelines

# The window of 28 dates and the date that leaves it, with a week to spare: dates are of any zone,
# sessions are left out by UTC.
_KNOWN_DAYS: Final = 36


def recent(lives: Timelines, since: NDArray[np.int64], active_types: Sequence[int]) -> Timelines:
    """Timelines without the days and sessions on which what comes since a date can't depend.

    Of users with the same events before that date the same is left out, so that the difference of
    their contributions is what it is with all days.

    Args:
        lives: the timelines.
        since: int64 [users], days since 1970-01-01.
        active_types: codes of the event types that make a user active.
    """
    if not len(lives):
        return lives
    known = since - _KNOWN_DAYS
    user, active = lives.user_of_day, lives.active_days(active_types)
    is_late = lives.date >= known[user]
    kept = is_late.copy()
    kept[lives.day_offsets[:-1]] = True
    kept[_first_of_user(np.flatnonzero(active), user)] = True
    early = np.flatnonzero(active & ~is_late)
    kept[_first_of_user(early[::-1], user)] = True
    sessions = lives.sessions
    are_late = sessions.end_us >= known[sessions.user_of_session] * US_PER_DAY
    are_late[sessions.offsets[:-1]] = True
    return lives.on_days(kept, sessions.where(are_late))


def _first_of_user(rows: NDArray[np.int64], user: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of each user's rows, which lie side by side."""
    whose = user[rows]
    return rows[np.flatnonzero(np.diff(whose, prepend=-1))]
