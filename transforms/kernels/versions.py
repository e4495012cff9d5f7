"""Versions of rows: which of them counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def newest(rows: pa.Table, key: Sequence[str], written_at: str) -> pa.Table:
    """Of each key the row that was written last.

    Args:
        rows: with the columns of the key, without NULL, and `written_at`.
        key: columns that name a row.
        written_at: a TIMESTAMP column.
    """
    order = pc.sort_indices(rows, sort_keys=[(written_at, "descending")]).to_numpy()
    group = np.zeros(len(order), np.int64)
    for name in key:
        codes = _codes(rows[name])
        group = group * (int(codes.max(initial=0)) + 1) + codes
        group = np.unique(group, return_inverse=True)[1].astype(np.int64)
    first = np.unique(group[order], return_index=True)[1]
    return rows.take(pa.array(np.sort(order[first])))


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """An integer for each value, the same for equal ones."""
    encoded = column.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    codes: NDArray[np.int64] = encoded.indices.to_numpy().astype(np.int64)
    return codes
