"""Events as fct_events stores their source values: written so, and read back as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.contract import STRING, Table, nullable
from transforms.data_error import DataError
from transforms.kernels.codecs.layouts import refuse_other_ids
from transforms.kernels.event_batch import EVENT_BATCH, LABEL, has_identity, with_identity
from transforms.kernels.increments import StoredEvents
from transforms.kernels.keys import plain_strings
from transforms.kernels.parse import Parsed
from transforms.kernels.records import NO_REJECTIONS
from transforms.kernels.timelines import Timelines
from transforms.marts import fct_events
from transforms.quality.declaration import SESSION_ID_DIGITS
from transforms.vocabulary import EVENT_TYPES, PLATFORMS, SOURCE_COLUMNS

# Of tables whose rules name an event_id: nothing else in a row says what the source's was.
STORED_ID: Final = "event_id"
_COLUMNS: Final = {column.name: column for column in fct_events.TABLE.columns}

# By the names of IDENTITY.
_IDENTITY: Final = {
    "source_id": "source_id",
    "came_as": "came_as",
    "stored_id": STORED_ID,
    "source": "source",
    "position": "position",
}

STORED: Final = Table(
    name="stored_events",
    description="The source values of events, as fct_events has them.",
    columns=tuple(_COLUMNS[name] for name in SOURCE_COLUMNS),
)

# Of tables whose rules name an event_id: their events keep the ids that they have.
STORED_WITH_ID: Final = replace(
    STORED,
    name="stored_events_with_id",
    columns=(*STORED.columns, nullable(STORED_ID, STRING, "What fct_events calls the event")),
)
# What a replay makes of dead letters: events that are not stored yet.
CAME_WITH_ID: Final = replace(
    STORED,
    name="events_with_source_id",
    columns=(
        *STORED.columns,
        nullable("source_id", STRING, "What its source calls the event"),
        nullable("came_as", STRING, "What its source calls the user, where that is another id"),
        nullable("source", STRING, "Where it was read"),
        nullable("position", STRING, "Where in it"),
    ),
)


def stored(events: pa.RecordBatch, event_types: Sequence[str] = EVENT_TYPES) -> pa.Table:
    """Events as rows of STORED, or of CAME_WITH_ID where they have the columns for it.

    Args:
        events: with the schema EVENT_BATCH or IDENTIFIED_BATCH.
        event_types: the names of the event types, by their codes.
    """
    table = CAME_WITH_ID if has_identity(events.schema) else STORED
    schema, words = table.arrow_schema, _words(event_types)
    columns = []
    for field in schema:
        column = events.column(field.name)
        if field.name in words:
            column = pa.array(words[field.name]).take(column.cast(pa.int32()))
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def restored(rows: pa.Table, event_types: Sequence[str] = EVENT_TYPES) -> Parsed:
    """The events of rows of STORED, STORED_WITH_ID or CAME_WITH_ID.

    Args:
        rows: the rows.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if an event type or a platform is none.
    """
    return Parsed(_events(rows, event_types), NO_REJECTIONS, 0)


def refuse_incomplete(events: pa.Table, before: Timelines) -> None:
    """Raise DataError where users have other events than their timelines count.

    Args:
        events: all rows of fct_events that they have.
        before: their timelines.
    """
    stored, known = events.num_rows, int(before.events.sum())
    if stored != known:
        raise DataError(
            f"{fct_events.TABLE.name} has {stored:,} events of users whose timelines count "
            f"{known:,}: another program has added or removed some; build the tables again with "
            "rebuild, or batch over the source files"
        )


def numbered(rows: pa.Table, event_types: Sequence[str] = EVENT_TYPES) -> StoredEvents:
    """The events of rows of fct_events, and how they are numbered.

    Args:
        rows: with the columns of STORED or STORED_WITH_ID, session_id and
            event_sequence_in_session; strings may be dictionary-encoded.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if an event type or a platform is none, or a session id is none of this version.
    """
    plain = pa.table({name: plain_strings(rows[name]) for name in rows.column_names})
    digits = plain["session_id"].combine_chunks()
    if pc.any(pc.not_equal(pc.binary_length(digits), SESSION_ID_DIGITS)).as_py():
        refuse_other_ids("an event")
    fixed = digits.cast(pa.binary()).cast(pa.binary(SESSION_ID_DIGITS))
    return StoredEvents(
        events=_events(plain, event_types),
        sequence=plain["event_sequence_in_session"].to_numpy(),
        session_digits=_fixed(fixed),
    )


def _fixed(values: pa.FixedSizeBinaryArray) -> NDArray[np.uint8]:
    """The bytes of each value: uint8 [n, width]."""
    data = np.frombuffer(values.buffers()[1] or b"", np.uint8)
    return data.reshape(-1, values.type.byte_width)[values.offset : values.offset + len(values)]


def _words(event_types: Sequence[str]) -> dict[str, Sequence[str]]:
    return {"event_type": event_types, "platform": PLATFORMS}


def _events(rows: pa.Table, event_types: Sequence[str]) -> pa.RecordBatch:
    columns, words = [], _words(event_types)
    for field in EVENT_BATCH:
        column = rows[field.name].combine_chunks()
        if field.name in words:
            column = _codes(field.name, column, words[field.name])
        elif field.type == LABEL:
            column = column.dictionary_encode()
        columns.append(column)
    events = pa.RecordBatch.from_arrays(columns, schema=EVENT_BATCH)
    identity = {
        ours: rows[name].combine_chunks()
        for ours, name in _IDENTITY.items()
        if name in rows.column_names
    }
    return with_identity(events, identity) if identity else events


def _codes(name: str, values: pa.StringArray, words: Sequence[str]) -> pa.Array:
    codes = pc.index_in(values, pa.array(words))
    if codes.null_count:
        word = values[int(np.flatnonzero(codes.is_null().to_numpy(zero_copy_only=False))[0])]
        raise DataError(
            f"{fct_events.TABLE.name} has an event whose {name} is {word.as_py()!r}, which is none "
            f"of {', '.join(words)}: another program has written it; correct that row, or "
            "run batch over the source files"
        )
    return codes.cast(pa.int8())
