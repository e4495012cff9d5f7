"""Which values of a column its checks refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.quality.declaration import (
    EVENT_ID,
    EVENT_ID_DIGITS,
    SESSION_ID,
    SESSION_ID_DIGITS,
    ColumnCheck,
    InRange,
    OneOf,
)

_LENGTHS: Final = {EVENT_ID.pattern: EVENT_ID_DIGITS, SESSION_ID.pattern: SESSION_ID_DIGITS}
# What stays in a processor's cache between the steps.
_PART = 1 << 17


def refused(column: pa.ChunkedArray, kept: ColumnCheck | None) -> NDArray[np.bool_] | None:
    """Which values break a rule; None where none does. NULL breaks none but that of NOT NULL.

    Args:
        column: bool, int64, double, date32, timestamp or string, dictionary-encoded or not.
        kept: the rule; None for NOT NULL.
    """
    values = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if kept is None:
        return _some(values.is_null()) if values.null_count else None
    if pa.types.is_dictionary(values.type):
        return _of_dictionary(values, kept)
    if isinstance(kept, InRange):
        return _outside(values, kept)
    if isinstance(kept, OneOf):
        known = pc.is_in(values, value_set=pa.array(kept.values, values.type))
    elif _are_ids(values, _LENGTHS.get(kept.pattern)):
        return None
    else:
        known = pc.match_substring_regex(values, kept.pattern)
    return _some(pc.and_(pc.invert(known), values.is_valid()))


def _of_dictionary(values: pa.DictionaryArray, kept: ColumnCheck) -> NDArray[np.bool_] | None:
    bad = refused(pa.chunked_array([values.dictionary]), kept)
    if bad is None:
        return None
    codes = values.indices.fill_null(0).to_numpy(zero_copy_only=False)
    mask: NDArray[np.bool_] = bad[codes] & values.is_valid().to_numpy(zero_copy_only=False)
    return mask if mask.any() else None


def _outside(values: pa.Array, kept: InRange) -> NDArray[np.bool_] | None:
    if pa.types.is_floating(values.type):
        # NaN and infinities lie in no range.
        numbers = values.to_numpy(zero_copy_only=False)
        bad = ~np.isfinite(numbers)
        bad |= False if kept.low is None else numbers < kept.low
        bad |= False if kept.high is None else numbers > kept.high
        mask: NDArray[np.bool_] = bad & values.is_valid().to_numpy(zero_copy_only=False)
        return mask if mask.any() else None
    bounds = (_bound(kept.low), _bound(kept.high))
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    found = pc.min_max(values)
    low, high = found["min"].as_py(), found["max"].as_py()
    if low is None or (
        (bounds[0] is None or low >= bounds[0]) and (bounds[1] is None or high <= bounds[1])
    ):
        return None
    below = pc.less(values, bounds[0]) if bounds[0] is not None else pa.scalar(False)
    above = pc.greater(values, bounds[1]) if bounds[1] is not None else pa.scalar(False)
    return _some(pc.or_(below, above).fill_null(False))


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.replace(tzinfo=UTC).timestamp()) * 1_000_000
    return value


def _are_ids(values: pa.Array, length: int | None) -> bool:
    """Whether all strings are so many digits of an id: a tenth of what an expression takes."""
    if length is None or values.null_count or not len(values):
        return False
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    if data is None or (np.diff(ends) != length).any():
        return False
    letters = np.frombuffer(data, np.uint8, int(ends[-1] - ends[0]), int(ends[0]))
    parts = (letters[at : at + _PART] for at in range(0, len(letters), _PART))
    return all(_all_digits(part) for part in parts)


def _all_digits(letters: NDArray[np.uint8]) -> bool:
    # Below the first of its range a byte wraps around to a large number.
    digits = letters - np.uint8(ord("0")) < 10
    # Upper-case letters have one bit less than lower-case ones.
    digits |= (letters | np.uint8(32)) - np.uint8(ord("a")) < 26
    digits |= letters == ord("-")
    digits |= letters == ord("_")
    return bool(digits.all())


def _some(mask: pa.Array) -> NDArray[np.bool_] | None:
    found: NDArray[np.bool_] = mask.to_numpy(zero_copy_only=False)
    return found if found.any() else None
