"""Retention curves: who of a cohort is active how many days, weeks or months later."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.active_periods import ActivePeriods
from transforms.kernels.boards import counted, places_of
from transforms.kernels.counters import CURVES, Grid
from transforms.kernels.grid_keys import curve_key

Ints = NDArray[np.int64]

# The last day and week that a curve shows; what is later counts one behind it.
LAST_DAY: Final = 60
LAST_WEEK: Final = 52


def curves(active: ActivePeriods, segments: Ints, last: int | None) -> Grid:
    """Of each segment, cohort and period how many users are active in it, and how many in no later.

    Args:
        active: the active periods.
        segments: int64 [users, n], the segments of each user: of all users, of some, of one.
        last: the last period that is of interest; None for all.
    """
    if not len(active.period):
        return Grid.empty(CURVES)
    shown = np.ones(len(active.age), np.bool_) if last is None else active.age <= last
    on = _Entries(active, shown, last, segments)
    ends = _Entries(active, active.until == 0, last, segments)
    return Grid.total([on.grid(0), ends.grid(1)])


class _Entries:
    """Some of the active periods, each in the segments of its user."""

    def __init__(
        self, active: ActivePeriods, chosen: NDArray[np.bool_], last: int | None, segments: Ints
    ):
        self._cohort = (active.period - active.age)[chosen]
        age = active.age[chosen]
        self._age = age if last is None else np.minimum(age, last + 1)
        self._segments, self._user = segments, active.user[chosen]

    def grid(self, column: int) -> Grid:
        """How many there are, as one of CURVES."""
        first, periods = int(self._cohort.min()), int(self._age.max()) + 1
        cell = (self._cohort - first) * periods + self._age
        cells = int(cell.max()) + 1
        codes, place = places_of(self._segments)
        keys, counts = [], []
        for of_users in place.T:
            found, times = counted(of_users[self._user] * cells + cell, len(codes) * cells)
            segment, found = found // cells, found % cells
            keys.append(curve_key(codes[segment], first + found // periods, found % periods))
            counts.append(times)
        key, count = np.concatenate(keys), np.concatenate(counts)
        order = np.argsort(key)
        values = np.zeros((len(key), len(CURVES)), np.int64)
        values[:, column] = count[order]
        return Grid(CURVES, key[order], values)
