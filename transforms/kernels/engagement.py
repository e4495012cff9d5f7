"""On how many dates of the last 7 and 28 users were active, as changes from date to date."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.active_periods import ActivePeriods
from transforms.kernels.boards import counted
from transforms.kernels.counters import ENGAGED, Grid
from transforms.kernels.grid_keys import ENGAGED_WINDOWS, engaged_key

Ints = NDArray[np.int64]


def engagement(days: ActivePeriods) -> Grid:
    """The changes of the numbers of users who were active on so many dates of a window.

    A user's number changes on an active date, and on the date on which one leaves the window:
    there the user leaves the old number, which is counted as -1, and enters the new one. The sum
    over all dates up to one is the number of users.

    Args:
        days: the active dates.
    """
    if not len(days.period):
        return Grid.empty(ENGAGED)
    first = int(days.period.min())
    # A user's dates and the window behind them stay away from the next user's.
    span = int(days.period.max()) - first + max(ENGAGED_WINDOWS) + 1
    place = days.user * (2 * span) + days.period - first
    parts = [part for window in ENGAGED_WINDOWS for part in _changes(days.period, place, window)]
    keys, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Grid.sum_rows(ENGAGED, keys, values[:, np.newaxis])


def _changes(date: Ints, place: Ints, window: int) -> list[tuple[Ints, Ints]]:
    """(keys, values) of the changes of one window."""
    number = np.arange(len(place))
    # Of each date: the first one that is less than a window, or a window, before it.
    oldest = np.searchsorted(place, place - window, side="left")
    leaves_now = place[oldest] == place - window
    before = number - oldest
    now = before - leaves_now + 1
    # The date on which it leaves itself, unless that is an active one: then it counts above.
    next_on = np.searchsorted(place, place + window, side="left")
    alone = np.append(place, -1)[next_on] != place + window
    staying = (next_on - number)[alone]
    gone = date[alone] + window
    return [
        _keyed(date, before, window, -1),
        _keyed(date, now, window, 1),
        _keyed(gone, staying, window, -1),
        _keyed(gone, staying - 1, window, 1),
    ]


def _keyed(date: Ints, days: Ints, window: int, sign: int) -> tuple[Ints, Ints]:
    """How many users enter or leave a number of days on a date; those with none count nowhere."""
    some = days > 0
    keys = engaged_key(date[some], window, days[some])
    if not len(keys):
        return keys, keys
    first = int(keys.min())
    found, times = counted(keys - first, int(keys.max()) - first + 1)
    return found + first, sign * times
