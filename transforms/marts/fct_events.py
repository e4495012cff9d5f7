"""fct_events: one row per event."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.contract import (
    DATE,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.hashing import hex_array
from transforms.kernels.sessions import Sessions, SortedEvents
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

TABLE = Table(
    name="fct_events",
    description="One row per event; redeliveries are removed, sessions are numbered.",
    columns=(
        required("event_id", STRING, "32 hexadecimal digits: a hash of all eight source values"),
        required("user_id", STRING, "The user, as the source names them"),
        required(
            "event_type",
            STRING,
            "miles_earned, miles_redeemed, share, like or reward_search",
        ),
        required("event_time", TIMESTAMP, "When it happened (event time), UTC, microseconds"),
        required("event_date", DATE, "The UTC date of event_time"),
        nullable("transaction_category", STRING, "What the miles were earned or redeemed for"),
        nullable("miles_amount", INTEGER, "Miles earned or redeemed; NULL on other event types"),
        required("platform", STRING, "iOS, Android or Web"),
        nullable("utm_source", STRING, "Acquisition channel, lower case"),
        nullable("country", STRING, "Two letters, upper case"),
        required(
            "session_id",
            STRING,
            "32 hexadecimal digits: a hash of the user and the session's first instant",
        ),
        required("is_session_start", INTEGER, "1 for the first event of its session, else 0"),
        required("event_sequence_in_session", INTEGER, "1, 2, 3 ... within the session"),
        required("processed_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("event_date", "DAY"),
    clustering=("user_id", "event_type"),
    primary_key=("event_id",),
    written_at="processed_at",
)


def rows(events: SortedEvents, sessions: Sessions, written_at: pa.Scalar | pa.Array) -> pa.Table:
    """The rows of fct_events for sorted events and their sessions.

    Args:
        events, sessions: of any number of users.
        written_at: the moment of writing, or one for each event.
    """
    table = events.table
    return TABLE.build(
        {
            "event_id": hex_array(events.ids.hex()),
            "user_id": _encoded(events.user_of_event, events.user_ids),
            "event_type": _encoded(events.event_type, pa.array(EVENT_TYPES)),
            "event_time": table["event_time"],
            "event_date": table["event_time"].cast(pa.date32(), safe=False),
            "transaction_category": table["transaction_category"],
            "miles_amount": table["miles_amount"],
            "platform": _encoded(events.platform, pa.array(PLATFORMS)),
            "utm_source": table["utm_source"],
            "country": table["country"],
            "session_id": _encoded(sessions.session, hex_array(sessions.id_digits)),
            "is_session_start": sessions.starts.astype("int64"),
            "event_sequence_in_session": sessions.sequence,
            "processed_at": written_at,
        }
    )


def _encoded(rows: NDArray[np.signedinteger], values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int32)), values)
