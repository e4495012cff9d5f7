"""Which rows of a table differ from those of another one, by a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.key_codes import key_codes
from transforms.kernels.keys import plain_strings


class Differences(NamedTuple):
    """What has become of a table's rows.

    Attributes:
        changed: the rows of now that are new or differ in some column.
        gone: the rows that were and whose key is no more.
    """

    changed: pa.Table
    gone: pa.Table


def differences(
    now: pa.Table, was: pa.Table, key: Sequence[str], apart: Sequence[str] = ()
) -> Differences:
    """How two tables differ; NULL is equal to NULL.

    Args:
        now, was: tables of the same columns, without NaN.
        key: columns that are unique together in each of them.
        apart: columns that may differ between rows that are the same.
    """
    others = [name for name in now.column_names if name not in (*key, *apart)]
    if now.num_rows == was.num_rows and _same(now, was, key).all():
        # So it is with most increments, and to see it takes a tenth of looking for each key.
        return Differences(now.filter(pa.array(~_same(now, was, others))), was.slice(0, 0))
    place = _places(now, was, key)
    known = place >= 0
    same = known.copy()
    if known.any():
        before = was.select(others).take(pa.array(np.maximum(place, 0)))
        same &= _same(now, before, others)
    is_gone = np.ones(was.num_rows, np.bool_)
    is_gone[place[known]] = False
    return Differences(now.filter(pa.array(~same)), was.filter(pa.array(is_gone)))


def _same(left: pa.Table, right: pa.Table, names: Sequence[str]) -> NDArray[np.bool_]:
    """In which rows some columns are the same."""
    same = np.ones(left.num_rows, np.bool_)
    for name in names:
        same &= _equal(left[name], right[name])
    return same


def _places(rows: pa.Table, others: pa.Table, key: Sequence[str]) -> NDArray[np.int64]:
    """For each row the index of the other one with its key, -1 where there is none."""
    ours, theirs = key_codes([rows, others], key)
    if not len(theirs):
        return np.full(len(ours), -1)
    order = np.argsort(theirs, kind="stable")
    at = np.minimum(np.searchsorted(theirs, ours, sorter=order), len(theirs) - 1)
    places: NDArray[np.int64] = np.where(theirs[order[at]] == ours, order[at], -1)
    return places


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> NDArray[np.bool_]:
    left, right = _comparable(left, right)
    equal = pc.equal(left, right)
    if equal.null_count:
        both_null = pc.and_(left.is_null(), right.is_null())
        equal = pc.or_(equal.fill_null(False), both_null)
    found: NDArray[np.bool_] = equal.to_numpy()
    return found


def _comparable(
    left: pa.ChunkedArray, right: pa.ChunkedArray
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Two columns, as the indices of one dictionary where they have the same: a tenth of the time
    of comparing texts."""
    chunks = [*left.chunks, *right.chunks]
    if all(pa.types.is_dictionary(chunk.type) for chunk in chunks) and chunks:
        names = chunks[0].dictionary
        if names.null_count == 0 and all(chunk.dictionary.equals(names) for chunk in chunks[1:]):
            return tuple(
                pa.chunked_array([chunk.indices for chunk in column.chunks], pa.int32())
                for column in (left, right)
            )
    return plain_strings(left), plain_strings(right)
