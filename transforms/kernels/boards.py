"""Counting by position: dates are close together, and that is 5 x faster than sorting."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.counters import Grid

Ints: TypeAlias = NDArray[np.int64]

# Laid out, so many more places than entries cost less than sorting.
_SPARSE: Final = 16
_SMALL: Final = 1 << 16


class Board:
    """Counters laid out on positions from 0 on.

    Args:
        names: of the counters.
        positions: how many there are.
    """

    def __init__(self, names: tuple[str, ...], positions: int):
        self._names = names
        self._table = np.zeros((len(names), positions), np.int64)

    def count(self, name: str, positions: Ints, sign: int = 1) -> None:
        """Add `sign` for every time that a position stands in `positions`."""
        row = self._table[self._names.index(name)]
        row += sign * np.bincount(positions, minlength=len(row))

    def add(self, name: str, positions: Ints, values: Ints) -> None:
        """Add values >= 0, each to its position."""
        row = self._table[self._names.index(name)]
        # bincount adds in floating point: limbs of 21 bits stay exact for 2^32 values.
        for shift in range(0, int(values.max(initial=0)).bit_length(), 21):
            limb = (values >> shift) & 0x1FFFFF
            sums = np.bincount(positions, limb, minlength=len(row))
            row += sums.astype(np.int64) << shift

    def filled(self) -> tuple[Ints, Ints]:
        """The positions at which some counter is not 0, and their values: [n], [n, names]."""
        filled = np.flatnonzero(self._table.any(axis=0))
        return filled, np.ascontiguousarray(self._table.T[filled])

    def grid(self, first: int) -> Grid:
        """The counters by keys, of which the first position's is `first`."""
        filled, values = self.filled()
        return Grid(self._names, filled + first, values)


def places_of(codes: Ints) -> tuple[Ints, Ints]:
    """The small integers >= 0 that occur, ascending, and the place of each among them.

    `np.unique` sorts them, which takes a second of one core for 10 million events.

    Returns:
        int64 [distinct], and int64 with the shape of `codes`.
    """
    occurs = np.bincount(codes.ravel()) > 0
    place = np.cumsum(occurs) - 1
    return np.flatnonzero(occurs), place[codes]


def counted(positions: Ints, limit: int) -> tuple[Ints, Ints]:
    """Which positions below a limit occur, ascending, and how often: [n], [n]."""
    if limit > max(_SPARSE * len(positions), _SMALL):
        found, times = np.unique(positions, return_counts=True)
        return found, times.astype(np.int64, copy=False)
    times = np.bincount(positions, minlength=1)
    found = np.flatnonzero(times)
    return found, times[found]
