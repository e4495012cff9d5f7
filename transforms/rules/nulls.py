"""Texts that stand for a blank in the source."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from transforms.kernels import fields


def without_nulls(column: pa.Array, nulls: Sequence[str]) -> pa.Array:
    """Texts, of which those that are nulls become "", but for white space around them.

    Args:
        column: strings, or a dictionary of them, with NULLs.
        nulls: trimmed.
    """
    if pa.types.is_dictionary(column.type):
        values = without_nulls(column.dictionary, nulls)
        return pa.DictionaryArray.from_arrays(column.indices, values)
    texts = column.fill_null("") if column.null_count else column
    is_null = pc.is_in(fields.trimmed(texts), pa.array(nulls, pa.string()))
    return pc.if_else(is_null, "", texts)
