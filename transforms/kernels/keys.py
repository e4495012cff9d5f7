"""Rows and the ones before them, keys that repeat, values that stand nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.key_codes import key_codes


def with_previous(
    rows: pa.Table, within: Sequence[str], by: Sequence[str], columns: Sequence[str]
) -> pa.Table:
    """Rows in order, with columns `previous_x`: x of the row before, NULL in a group's first.

    Args:
        rows: any; rows that are in order already are not sorted.
        within: columns that make groups.
        by: columns that order the rows of a group, ascending, NULL last.
        columns: of which the row before is wanted.
    """
    if not columns:
        return rows
    keys = (*within, *by)
    if not (_in_order(rows, keys) or _in_groups(rows, within, by)):
        plain = pa.table({name: plain_strings(rows[name]) for name in keys})
        rows = rows.take(pc.sort_indices(plain, [(name, "ascending") for name in keys]))
    first = _first_of_groups(rows, within)
    for name in columns:
        rows = rows.append_column(f"previous_{name}", _shifted(_one_chunk(rows[name]), first))
    return rows


def _shifted(values: pa.Array, first: NDArray[np.bool_]) -> pa.Array:
    """The values of the rows before; NULL where there is none."""
    if pa.types.is_dictionary(values.type):
        return pa.DictionaryArray.from_arrays(_shifted(values.indices, first), values.dictionary)
    if values.null_count or not len(values) or pa.types.is_string(values.type):
        return values.take(pa.array(np.arange(-1, len(values) - 1), mask=first))
    # Shifting takes a tenth of taking.
    numbers = np.roll(values.to_numpy(zero_copy_only=False), 1)
    return pa.array(numbers, values.type, mask=first)


def _first_of_groups(rows: pa.Table, within: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows have other values in some columns than the row before."""
    first = np.arange(rows.num_rows) < 1
    for name in within:
        first |= _differs(rows[name])
    return first


def _in_groups(rows: pa.Table, within: Sequence[str], by: Sequence[str]) -> bool:
    """Whether the rows of each group stand together and ascend, whatever the order of groups;
    False too where a column is NULL. To see that takes a third of sorting."""
    if any(rows[name].null_count for name in within):
        return False
    first = _first_of_groups(rows, within)
    heads = rows.select(list(within)).filter(pa.array(first))
    return not repeated(heads).num_rows and _ascend(rows, by, np.flatnonzero(~first))


def _in_order(rows: pa.Table, keys: Sequence[str]) -> bool:
    """Whether rows ascend by some columns; False too where one of them is NULL."""
    return _ascend(rows, keys, np.arange(1, rows.num_rows))


def _ascend(rows: pa.Table, keys: Sequence[str], tied: NDArray[np.int64]) -> bool:
    """Whether some rows come behind the ones before them; False too where a column is NULL."""
    for name in keys:
        codes = _codes(rows[name], tied)
        if codes is None:
            return False
        before, after = codes
        if (before > after).any():
            return False
        tied = tied[before == after]
        if not len(tied):
            return True
    return True


def _codes(column: pa.ChunkedArray, at: NDArray[np.int64]) -> tuple[Any, Any] | None:
    """Values that compare as the column's do, before and at some rows; None if one is NULL."""
    if column.null_count:
        return None
    values = _one_chunk(column)
    if pa.types.is_dictionary(values.type):
        names = values.dictionary
        if not pc.all(pc.less(names[:-1], names[1:])).as_py() and len(names) > 1:
            return None
        values = values.indices
    if pa.types.is_string(values.type):
        if len(at) == len(values) - 1 and len(at) > 1:
            return None  # Only ties are compared as text: of a whole column sorting is as fast.
        words = values.take(pa.array(np.concatenate([at - 1, at]))).to_numpy(zero_copy_only=False)
        return words[: len(at)], words[len(at) :]
    numbers = values.to_numpy(zero_copy_only=False)
    return numbers[at - 1], numbers[at]


def _differs(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Whether a value is another one than that of the row before; True in the first row."""
    values = _one_chunk(column)
    if pa.types.is_dictionary(values.type) and not values.dictionary.null_count:
        values = values.indices
    changed = np.ones(len(values), np.bool_)
    both_null = pc.and_(values[1:].is_null(), values[:-1].is_null())
    same = pc.or_(pc.equal(values[1:], values[:-1]).fill_null(False), both_null)
    changed[1:] = ~same.to_numpy(zero_copy_only=False)
    return changed


def repeated(keys: pa.Table) -> pa.Table:
    """The rows that come more than once, each once, and how often: `n`.

    Rows with a NULL are left out.
    """
    names = keys.column_names
    if len(names) == 1 and _all_distinct(_one_chunk(keys[0])):
        return keys.slice(0, 0).append_column("n", pa.array([], pa.int64()))
    (codes,) = key_codes([keys], names)
    codes.sort(kind="stable")  # Of keys that are in order by and large half the time.
    if not (codes[1:] == codes[:-1]).any():
        return keys.slice(0, 0).append_column("n", pa.array([], pa.int64()))
    plain = pa.table({name: plain_strings(keys[name]) for name in names}).drop_null()
    counted = plain.group_by(names).aggregate([([], "count_all")])
    counted = counted.rename_columns({"count_all": "n"})
    return counted.filter(pc.greater(counted["n"], 1))


def _all_distinct(values: pa.Array) -> bool:
    """Whether no value but NULL comes twice; may say no where all are distinct."""
    if pa.types.is_dictionary(values.type):
        codes = values.indices.drop_null().to_numpy()
        used = np.bincount(codes, minlength=len(values.dictionary))
        return not (used > 1).any() and _all_distinct(values.dictionary.filter(pa.array(used > 0)))
    words = _words(values)
    if words is None:
        known = len(values) - values.null_count
        return bool(pc.count_distinct(values, mode="only_valid").as_py() == known)
    words.sort()
    return not (words[1:] == words[:-1]).any()


def _words(values: pa.Array) -> NDArray[np.uint64] | None:
    """A number for each of some strings, the same for the same string; None where that is slow.

    Of ids of one length, mixing their first sixteen bytes and sorting takes a tenth of hashing the
    strings.
    """
    if not pa.types.is_string(values.type) or values.null_count or not len(values):
        return None
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    width = int(ends[1] - ends[0])
    if width < 16 or data is None or (np.diff(ends) != width).any():
        return None
    letters = np.frombuffer(data, np.uint8, width * len(values), int(ends[0])).reshape(-1, width)
    # 64 bits or more of a hash are enough to tell the ids of a shard apart.
    words = np.ascontiguousarray(letters[:, :16]).view(np.uint64)
    mixed = words[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= words[:, 1]
    return mixed


def missing(keys: pa.Table, others: pa.ChunkedArray) -> pa.Table:
    """The values of the one column that are not among others, each once, and how often: `n`."""
    (column,) = keys.column_names
    values = _one_chunk(keys[column])
    if pa.types.is_dictionary(values.type):
        known = pc.is_in(values.dictionary, value_set=plain_strings(others)).to_numpy(
            zero_copy_only=False
        )
        used = np.bincount(values.indices.drop_null().to_numpy(), minlength=len(known))
        lost = np.flatnonzero(~known & (used > 0))
        return pa.table({column: values.dictionary.take(pa.array(lost)), "n": used[lost]})
    known = pc.is_in(values, value_set=plain_strings(others), skip_nulls=True)
    lost = pa.table({column: values.filter(pc.invert(known))}).drop_null()
    counted = lost.group_by(column).aggregate([([], "count_all")])
    return counted.rename_columns({"count_all": "n"})


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def plain_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column that is not dictionary-encoded."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column
