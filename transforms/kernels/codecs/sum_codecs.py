"""Sums over users and runs as bytes: Counters and RunCounts.

Counters, layout 2: its number, how many counters a row of each grid has, how many rows each grid
has, and for each grid its keys and its values. Layout 1 begins with the numbers of rows. Counters
are only ever appended to their grid, so that the first ones of a row are always the same.

RunCounts are JSON by names. A count that is missing is 0; its name may be an earlier one.
"""

from __future__ import annotations

import json
import struct
from typing import Final

import numpy as np

from transforms.data_error import DataError
from transforms.kernels.codecs.layouts import check_layout, refuse_damaged, refuse_unknown_counters
from transforms.kernels.counters import COHORTS, DAILY, MONTHLY, Counters, Grid
from transforms.kernels.run_counts import RunCounts

_VERSION: Final = 2
_WIDTHS: Final = struct.Struct("<4B")
_SIZES: Final = struct.Struct("<3Q")
_NAMES: Final = (DAILY, MONTHLY, COHORTS)
# Rows with fewer counters lack some that can't be computed from the others: 0.1.0 had no
# first_other. Of those that are appended from here on, 0 is true of what was stored before; where
# it is not, these numbers rise.
_LEAST: Final = (40, 5, 1)


def encode_counters(counters: Counters) -> bytes:
    """Counters as bytes, the same for equal ones."""
    grids = (counters.daily, counters.monthly, counters.cohorts)
    widths = _WIDTHS.pack(_VERSION, *map(len, _NAMES))
    sizes = _SIZES.pack(*(len(grid.keys) for grid in grids))
    arrays = [array for grid in grids for array in (grid.keys, grid.values)]
    return widths + sizes + b"".join(array.astype("<i8").tobytes() for array in arrays)


def decode_counters(data: bytes) -> Counters:
    """The counters that `encode_counters` wrote.

    Raises:
        DataError: if a later version wrote them, or 0.1.0, or if they are damaged.
    """
    # Layout 1 is all words of 8 bytes.
    at = len(data) % 8
    if at not in (0, _WIDTHS.size) or len(data) < at + _SIZES.size:
        refuse_damaged("a sum of counters")
    numbered = at > 0
    if numbered:
        check_layout("a sum of counters", data[0], _VERSION)
    sizes = _SIZES.unpack_from(data, at)
    numbers = np.frombuffer(data, "<i8", offset=at + _SIZES.size).astype(np.int64)
    widths = _WIDTHS.unpack_from(data)[1:] if numbered else _unnumbered_widths(sizes, len(numbers))
    if sum(size * (1 + width) for size, width in zip(sizes, widths, strict=True)) != len(numbers):
        refuse_damaged("a sum of counters")
    grids = []
    for names, least, size, width in zip(_NAMES, _LEAST, sizes, widths, strict=True):
        cells = size * (1 + width)
        block, numbers = numbers[:cells], numbers[cells:]
        if size:
            _check_width(width, least, len(names))
        values = block[size:].reshape(size, width)
        missing = np.zeros((size, len(names) - width), np.int64)
        grids.append(Grid(names, block[:size], np.hstack([values, missing])))
    return Counters(*grids)


def _unnumbered_widths(sizes: tuple[int, ...], numbers: int) -> tuple[int, ...]:
    """How many counters a row has in layout 1: its days may have fewer than today's."""
    days, months, cells = sizes
    others = months * (1 + _LEAST[1]) + cells * (1 + _LEAST[2])
    width = (numbers - others) // days - 1 if days else _LEAST[0]
    return (max(width, 0), _LEAST[1], _LEAST[2])


def _check_width(width: int, least: int, most: int) -> None:
    if width > most:
        refuse_unknown_counters("a row of counters", width, most)
    if width < least:
        raise DataError(
            f"a job's state holds {width} counters a row, not {least}: 0.1.0 wrote it; drain that "
            "job, build the tables with batch, and start a new one"
        )


def encode_run_counts(counts: RunCounts) -> bytes:
    """Run counts as bytes, the same for equal ones."""
    return json.dumps(counts.to_json(), sort_keys=True).encode()


def decode_run_counts(data: bytes) -> RunCounts:
    """The counts that `encode_run_counts` wrote.

    Raises:
        DataError: if a later version wrote them.
    """
    return RunCounts.from_json(json.loads(data))
