"""Sums over users and runs as bytes: Counters and RunCounts.

Counters, layout 3: its number and how many grids there are; of each grid how many counters a row
has and how many rows there are; for each grid its keys and its values. Grids are only ever
appended, and counters to their grid, so that the first ones are always the same.

Layouts 1 and 2 have the first three grids alone. The others can't be computed from them, so but for
those of no user they are refused; and so are fewer than the first twelve grids of layout 3. What is
appended behind these is empty in what lacks it.

RunCounts are JSON by names. A count that is missing is 0; its name may be an earlier one.
"""

from __future__ import annotations

import json
import struct
from typing import Final

import numpy as np

from transforms.data_error import DataError
from transforms.kernels.codecs.layouts import check_layout, refuse_damaged, refuse_unknown_counters
from transforms.kernels.counters import GRIDS, Counters, Grid
from transforms.kernels.run_counts import RunCounts

_VERSION: Final = 3
_HEAD: Final = struct.Struct("<2B")
_SIZE: Final = struct.Struct("<BQ")
_WHAT: Final = "a sum of counters"
# Up to session_durations: events that came before own_types was there are of the five types.
_NEEDED: Final = 12


def encode_counters(counters: Counters) -> bytes:
    """Counters as bytes, the same for equal ones."""
    grids = [getattr(counters, name) for name in GRIDS]
    while len(grids) > _NEEDED and not len(grids[-1].keys):
        grids.pop()
    head = _HEAD.pack(_VERSION, len(grids))
    sizes = b"".join(_SIZE.pack(len(grid.names), len(grid.keys)) for grid in grids)
    arrays = [array for grid in grids for array in (grid.keys, grid.values)]
    return head + sizes + b"".join(array.astype("<i8", copy=False).tobytes() for array in arrays)


def decode_counters(data: bytes) -> Counters:
    """The counters that `encode_counters` wrote.

    Raises:
        DataError: if a later version wrote them, or an earlier one that had fewer grids, or if they
            are damaged.
    """
    if _is_earlier(data):
        return _of_nobody(data)
    if len(data) < _HEAD.size:
        refuse_damaged(_WHAT)
    version, count = _HEAD.unpack_from(data)
    check_layout(_WHAT, version, _VERSION)
    if count > len(GRIDS):
        refuse_unknown_counters("a sum of counters", count, len(GRIDS))
    at = _HEAD.size + count * _SIZE.size
    if version != _VERSION or len(data) < at or (len(data) - at) % 8:
        refuse_damaged(_WHAT)
    sizes = [_SIZE.unpack_from(data, _HEAD.size + n * _SIZE.size) for n in range(count)]
    numbers = np.frombuffer(data, "<i8", offset=at)
    if sum(rows * (1 + width) for width, rows in sizes) != len(numbers):
        refuse_damaged(_WHAT)
    grids = {}
    for (name, names), (width, rows) in zip(GRIDS.items(), sizes, strict=False):
        cells = rows * (1 + width)
        grids[name], numbers = _grid(names, width, rows, numbers[:cells]), numbers[cells:]
    # Which grids are empty says nothing: what changes in one may cancel out in another.
    if count < _NEEDED and any(rows for _, rows in sizes):
        _refuse_earlier()
    return Counters(**{name: grids.get(name, Grid.empty(names)) for name, names in GRIDS.items()})


def _grid(names: tuple[str, ...], width: int, rows: int, cells: np.ndarray) -> Grid:
    if width > len(names):
        refuse_unknown_counters("a row of counters", width, len(names))
    values = np.zeros((rows, len(names)), np.int64)
    values[:, :width] = cells[rows:].reshape(rows, width)
    return Grid(names, cells[:rows].astype(np.int64), values)


# Layout 1 begins with the numbers of rows of three grids, layout 2 with its number and their widths
# before these.
_EARLIER: Final = struct.Struct("<3Q")
_WIDTHS: Final = 4


def _is_earlier(data: bytes) -> bool:
    """Whether layouts 1 or 2 wrote it: their lengths are multiples of 8, or 4 more, and that of
    layout 3 is 2 + 9 for each grid more."""
    at = len(data) % 8
    return (at == 0 and len(data) >= _EARLIER.size) or (
        at == _WIDTHS and len(data) >= _WIDTHS + _EARLIER.size and data[0] == 2
    )


def _of_nobody(data: bytes) -> Counters:
    if any(_EARLIER.unpack_from(data, len(data) % 8)):
        _refuse_earlier()
    return Counters.empty()


def _refuse_earlier() -> None:
    raise DataError(
        "a job's state holds counters of an earlier version, without some that others don't tell, "
        "as those of sessions: drain that job, build the tables with rebuild, and start a new one"
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
