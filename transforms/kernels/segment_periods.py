"""Sums of segments laid out on dates or months: each segment from its first active one on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.kernels.counters import Grid
from transforms.kernels.grid_keys import segment_key, split_segment_key
from transforms.kernels.segments import folded

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SegmentPeriods:
    """Sums by segment and period, without a hole.

    Attributes:
        segment: int64 [n], as marts show them.
        period: int64 [n], ascending within a segment, up to the last of the data.
        previous_active: int64 [n], who was active in the period before.
        counters: for each name int64 [n]; of a window its running sum.
    """

    segment: Ints
    period: Ints
    previous_active: Ints
    counters: dict[str, Ints]

    @classmethod
    def of(cls, grid: Grid, sizes: Grid, first: int, last: int) -> SegmentPeriods:
        """The sums of a grid.

        Args:
            grid: by segment and period, with a counter `active`.
            sizes: as `folded` takes them.
            first, last: the periods of the data.
        """
        period, segment = split_segment_key(grid.keys)
        inside = (period >= first) & (period <= last)
        shown = segment_key(period, folded(segment, sizes))[inside]
        grid = Grid.sum_rows(grid.names, shown, grid.values[inside])
        period, segment = split_segment_key(grid.keys)
        codes, place = np.unique(segment, return_inverse=True)
        table = np.zeros((len(grid.names), len(codes), last - first + 1), np.int64)
        table[:, place, period - first] = grid.values.T
        active = table[grid.names.index("active")]
        begun = np.maximum.accumulate(active > 0, axis=1)
        before = np.zeros_like(active)
        before[:, 1:] = active[:, :-1]
        row, column = np.nonzero(begun)
        counters = {
            name: (np.cumsum(values, axis=1) if name.startswith("window_") else values)[begun]
            for name, values in zip(grid.names, table, strict=True)
        }
        return cls(codes[row], column + first, before[begun], counters)
