"""The typed event as it travels between kernels and through shuffles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

LABEL: Final = pa.dictionary(pa.int32(), pa.string())

# event_type and platform are indices in the vocabulary's tuples.
EVENT_BATCH: Final = pa.schema(
    [
        pa.field("event_time", pa.timestamp("us"), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("event_type", pa.int8(), nullable=False),
        pa.field("transaction_category", LABEL),
        pa.field("miles_amount", pa.int64()),
        pa.field("platform", pa.int8(), nullable=False),
        pa.field("utm_source", LABEL),
        pa.field("country", LABEL),
    ]
)


def event_batch(columns: Mapping[str, Any]) -> pa.RecordBatch:
    """A batch of events from the values of its columns, by name.

    Args:
        columns: for each column of EVENT_BATCH an array, or a list with None for NULL; event_time
            in microseconds since 1970-01-01, labels as strings.
    """
    arrays = []
    for field in EVENT_BATCH:
        values = columns[field.name]
        if field.type == LABEL:
            array = pa.array(values, pa.string()).dictionary_encode()
        elif pa.types.is_timestamp(field.type):
            array = pa.array(values, pa.int64()).cast(field.type)
        else:
            array = pa.array(values, field.type)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT_BATCH)
