"""Whether events of one id are one event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.hashing import Hashes, ascii_array
from transforms.kernels.id_text import event_digits
from transforms.vocabulary import PLATFORMS


def refuse_unlike(
    table: pa.Table,
    rows: NDArray[np.int64],
    others: NDArray[np.int64],
    ids: Hashes,
    event_types: Sequence[str],
) -> None:
    """See that rows of equal ids are equal, so that a hash alone drops no event.

    Args:
        table: events with the schema EVENT_BATCH, each column in one chunk.
        rows, others: int64 [n], rows of the table whose ids are equal.
        ids: [n], these ids.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if two of them differ in a column.
    """
    unlike = np.flatnonzero(~_equal(table, rows, others))
    if not len(unlike):
        return
    first = unlike[:1]
    (digits,) = ascii_array(event_digits(ids[first])).to_pylist()
    one, other = (_told(table, int(of[first[0]]), event_types) for of in (rows, others))
    raise DataError(
        f"two events that differ have the same event_id {digits}: {one}; and {other}. Nobody is "
        "known to be able to bring that about (docs/identifiers.md): please report both events. "
        "To go on, take one of the two rows out of the input and run again"
    )


def _told(table: pa.Table, row: int, event_types: Sequence[str]) -> str:
    """An event for an error message, no longer than a paragraph."""
    (event,) = table.slice(row, 1).to_pylist()
    event["event_time"] = f"{event['event_time'].isoformat()}Z"
    event["event_type"] = event_types[event["event_type"]]
    event["platform"] = PLATFORMS[event["platform"]]
    return ", ".join(
        f"{name} {str(value)[:100]!r}" for name, value in event.items() if value is not None
    )


def _equal(
    table: pa.Table, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether rows are equal to others in all columns."""
    same = np.ones(len(rows), np.bool_)
    for column in table.columns:
        values = column.chunk(0)
        if pa.types.is_dictionary(values.type):
            values = values.indices
        left, right = values.take(pa.array(rows)), values.take(pa.array(others))
        equal = pc.equal(left, right).fill_null(False)
        both_null = pc.and_(left.is_null(), right.is_null())
        same &= pc.or_(equal, both_null).to_numpy(zero_copy_only=False)
    return same
