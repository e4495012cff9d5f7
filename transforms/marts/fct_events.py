"""fct_events: one row per event; how source columns are read stands in kernels/fields.py."""

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
from transforms.kernels.calendar import date_of
from transforms.kernels.hashing import ascii_array
from transforms.kernels.id_text import event_digits
from transforms.kernels.sessions import Sessions, SortedEvents
from transforms.marts.shared_columns import EVENT_TYPE
from transforms.measures import MILES_ONCE, SESSIONS_ONCE
from transforms.quality.declaration import (
    COUNTRY,
    EVENT_ID,
    LOWER_CASE,
    RUN,
    SESSION_ID,
    AddsUp,
    Holds,
    References,
    Sequence,
    Total,
    Unique,
    at_least,
    one_of,
)
from transforms.reckoning import PLAIN
from transforms.vocabulary import EARLIEST, PLATFORMS

_GAP = "UNIX_MICROS(event_time) - UNIX_MICROS(previous_event_time)"

_SESSIONS = (
    Unique("one_start_each", ("session_id",), where=("is_session_start", 1)),
    Holds(
        "start_is_first",
        "(is_session_start = 1) = (event_sequence_in_session = 1)",
        "the first event of a session, and no other, is its start",
    ),
    Holds(
        "sequences_without_a_hole",
        "CASE WHEN session_id = previous_session_id "
        "THEN event_sequence_in_session = previous_event_sequence_in_session + 1 "
        "ELSE event_sequence_in_session = 1 END",
        "a session's events are numbered 1, 2, 3 ... in their order",
    ),
    Holds(
        "no_gap_inside",
        f"CASE WHEN event_sequence_in_session > 1 THEN {_GAP} < {PLAIN.session_gap_us} END",
        f"inside a session no event is {PLAIN.session_gap_minutes} minutes or more after the one "
        "before",
    ),
    Holds(
        "no_shorter_gap_between",
        f"CASE WHEN event_sequence_in_session = 1 THEN {_GAP} >= {PLAIN.session_gap_us} END",
        f"a user's sessions are {PLAIN.session_gap_minutes} minutes or more apart",
    ),
)

TABLE = Table(
    name="fct_events",
    description="One row per event; redeliveries are removed, sessions are numbered.",
    columns=(
        required(
            "event_id",
            STRING,
            "22 characters: a hash of all eight source values; where rules name the source's id of "
            "an event, of that and the user",
            EVENT_ID,
        ),
        required("user_id", STRING, "The user, as the source names them"),
        required(
            "event_type",
            STRING,
            "miles_earned, miles_redeemed, share, like, reward_search, or an own one",
            EVENT_TYPE,
        ),
        required(
            "event_time",
            TIMESTAMP,
            "When it happened (event time), UTC, microseconds",
            at_least(EARLIEST),
        ),
        required("event_date", DATE, "The date of event_time, UTC or of --timezone"),
        nullable("transaction_category", STRING, "What the miles were earned or redeemed for"),
        nullable(
            "miles_amount",
            INTEGER,
            "Miles earned or redeemed; NULL on other event types",
            at_least(0),
            measure=MILES_ONCE,
        ),
        required("platform", STRING, "iOS, Android or Web", one_of(*PLATFORMS)),
        nullable("utm_source", STRING, "Acquisition channel, lower case", LOWER_CASE),
        nullable("country", STRING, "Two letters, upper case", COUNTRY),
        required(
            "session_id",
            STRING,
            "28 characters: a hash of the user, and the second in which the session began; the "
            "sessions of a user sort by it",
            SESSION_ID,
        ),
        required(
            "is_session_start",
            INTEGER,
            "1 for the first event of its session, else 0",
            one_of(0, 1),
            measure=SESSIONS_ONCE,
        ),
        required(
            "event_sequence_in_session", INTEGER, "1, 2, 3 ... within the session", at_least(1)
        ),
        required("processed_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("event_date", "DAY"),
    clustering=("user_id", "event_type"),
    primary_key=("event_id",),
    found_by="event_time",
    written_at="processed_at",
    sequence=Sequence(by=("event_time", "event_id"), within=("user_id",)),
    checks=(
        References("user_id", "dim_users", "user_id"),
        Holds(
            "event_date_of_event_time",
            "event_date = CAST(event_time AS DATE)",
            "event_date is the UTC date of event_time",
        ),
        Holds(
            "miles_of_miles_types",
            "(miles_amount IS NULL) = (event_type NOT IN ('miles_earned', 'miles_redeemed'))",
            "miles_amount is there for the two miles types, and NULL for the others",
        ),
        Holds(
            "event_time_not_ahead",
            # Seconds are usual among devices, and 300 of them no reason to look at a clock.
            "UNIX_MICROS(event_time) <= UNIX_MICROS(processed_at) + 300000000",
            "no event is over 5 minutes later than its processing: a device's clock runs ahead",
            severity="warn",
        ),
        *_SESSIONS,
        AddsUp(
            "input_adds_up",
            (Total(RUN, "input_rows"), Total(RUN, "taken_back")),
            (
                Total("fct_events", "1"),
                Total(RUN, "duplicates"),
                Total("dead_letter_events", "1"),
                Total(RUN, "forgotten"),
                Total(RUN, "excluded"),
            ),
            "input rows + stored events that are taken back = events + duplicates + dead letters + "
            "rows of forgotten users + rows that rules leave out",
        ),
    ),
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
            "event_id": ascii_array(event_digits(events.ids)),
            "user_id": _encoded(events.user_of_event, events.user_ids),
            "event_type": _encoded(events.event_type, pa.array(events.event_types)),
            "event_time": table["event_time"],
            "event_date": _dates(events),
            "transaction_category": table["transaction_category"],
            "miles_amount": table["miles_amount"],
            "platform": _encoded(events.platform, pa.array(PLATFORMS)),
            "utm_source": table["utm_source"],
            "country": table["country"],
            "session_id": _encoded(sessions.session, ascii_array(sessions.id_digits)),
            "is_session_start": sessions.starts.astype("int64"),
            "event_sequence_in_session": sessions.sequence,
            "processed_at": written_at,
        }
    )


def _dates(events: SortedEvents) -> pa.Array:
    dates = date_of(events.time_us, events.reckoning)
    return pa.array(dates.astype(np.int32)).view(pa.date32())


def _encoded(rows: NDArray[np.signedinteger], values: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int32)), values)
