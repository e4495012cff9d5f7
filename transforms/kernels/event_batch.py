"""The typed event as it travels between kernels and through shuffles."""

from __future__ import annotations

from typing import Final

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
