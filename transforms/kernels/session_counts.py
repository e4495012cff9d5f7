"""What users' sessions add to the counters of dates.

A session is of the date on which its first event is, with all its events, those after midnight too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.boards import Board, counted
from transforms.kernels.calendar import US_PER_SECOND, date_of
from transforms.kernels.counters import SESSION_DAILY, SESSION_DURATIONS, Grid
from transforms.kernels.grid_keys import duration_key
from transforms.kernels.session_durations import buckets_of
from transforms.kernels.session_spans import SessionSpans
from transforms.reckoning import Reckoning

Ints = NDArray[np.int64]


def session_grids(sessions: SessionSpans, reckoning: Reckoning) -> tuple[Grid, Grid]:
    """The sums of sessions by date, and how many there are by date and duration.

    Args:
        sessions: of one user at least.
        reckoning: how time is reckoned.
    """
    date = date_of(sessions.start_us, reckoning)
    seconds = (sessions.end_us - sessions.start_us) // US_PER_SECOND
    first, days = int(date.min()), int(date.max()) - int(date.min()) + 1
    at = date - first
    board = Board(SESSION_DAILY, days)
    board.count("sessions", at)
    board.count("users", at.take(np.flatnonzero(_first_of_date(sessions, date))))
    board.count("single_event", at.take(np.flatnonzero(sessions.events == 1)))
    board.add("events", at, sessions.events)
    board.add("seconds", at, seconds)
    return board.grid(first), _durations(at, seconds, first, days)


def _first_of_date(sessions: SessionSpans, date: Ints) -> NDArray[np.bool_]:
    """Which sessions are their user's first one of a date."""
    is_first = np.ones(len(date), np.bool_)
    is_first[1:] = date[1:] != date[:-1]
    is_first[sessions.offsets[:-1]] = True
    returns = date[1:] < date[:-1]
    returns[sessions.offsets[1:-1] - 1] = False
    if returns.any():  # Of a date that comes back, sessions of another one lie in between.
        user = sessions.user_of_session
        order = np.lexsort((date, user))
        repeated = (np.diff(date[order]) == 0) & (np.diff(user[order]) == 0)
        is_first[order] = np.append(True, ~repeated)
    return is_first


def _durations(at: Ints, seconds: Ints, first: int, days: int) -> Grid:
    buckets = buckets_of(seconds)
    width = int(buckets.max()) + 1
    cells, counts = counted(at * width + buckets, days * width)
    keys = duration_key(first + cells // width, cells % width)
    return Grid(SESSION_DURATIONS, keys, counts[:, np.newaxis])
