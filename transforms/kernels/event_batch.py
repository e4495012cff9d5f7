"""The typed event as it travels between kernels and through shuffles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

# Of events of sources whose rules name an event_id; the others have EVENT_BATCH. `source_id` is the
# source's own, NULL where it has none. It is looked for within `came_as`, the user id in the
# source, NULL where the user is known by that one. `stored_id` is the event_id of an event in
# fct_events; `source` and `position` are where a new one was read, for a dead letter.
IDENTITY: Final = pa.schema(
    [
        pa.field("source_id", pa.string()),
        pa.field("came_as", pa.string()),
        pa.field("stored_id", pa.string()),
        pa.field("source", LABEL),
        pa.field("position", pa.string()),
    ]
)
IDENTIFIED_BATCH: Final = pa.schema([*EVENT_BATCH, *IDENTITY])


def has_identity(schema: pa.Schema) -> bool:
    """Whether events with this schema have the columns of IDENTITY."""
    return len(schema) > len(EVENT_BATCH)


def with_identity(events: pa.RecordBatch, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """Events with the schema IDENTIFIED_BATCH.

    Args:
        events: with the schema EVENT_BATCH, or those of IDENTIFIED_BATCH.
        columns: some of IDENTITY, by name; the others are as they were, or NULL.
    """
    arrays = list(events.columns[: len(EVENT_BATCH)])
    for field in IDENTITY:
        found = columns.get(field.name)
        if found is None and has_identity(events.schema):
            found = events[field.name]
        arrays.append(pa.nulls(len(events), field.type) if found is None else found)
    names = IDENTIFIED_BATCH.names
    return pa.RecordBatch.from_arrays([*map(_as_declared, names, arrays)], schema=IDENTIFIED_BATCH)


def placed(events: pa.RecordBatch, letters: pa.Table) -> pa.RecordBatch:
    """Events that were dead letters, with the places of these, should others have their ids.

    Args:
        events: with the schema EVENT_BATCH, which stay as they are, or IDENTIFIED_BATCH: then
            `position` is the index of its dead letter.
        letters: with the columns source and position of dead_letter_events.
    """
    if not has_identity(events.schema):
        return events
    index = events["position"].cast(pa.int64())
    found = letters.select(["source", "position"]).take(index)
    position = found["position"].combine_chunks().fill_null("")
    return with_identity(events, {"source": found["source"].combine_chunks(), "position": position})


def _as_declared(name: str, column: pa.Array) -> pa.Array:
    kind = IDENTIFIED_BATCH.field(name).type
    if kind == LABEL and not pa.types.is_dictionary(column.type):
        return column.dictionary_encode()
    return column.cast(kind) if column.type != kind else column


def alike(batches: Iterable[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Events with one schema: all with that of IDENTIFIED_BATCH where one of them has it.

    Labels that travelled as plain strings are encoded again.
    """
    found = list(batches)
    if any(has_identity(batch.schema) for batch in found):
        return [with_identity(batch, {}) for batch in found]
    return [
        batch
        if batch.schema.equals(EVENT_BATCH)
        else pa.RecordBatch.from_arrays(
            [*map(_as_declared, EVENT_BATCH.names, batch.columns)], schema=EVENT_BATCH
        )
        for batch in found
    ]


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
