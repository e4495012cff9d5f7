"""dead_letter_corrections: one row per dead letter that a replay has corrected, for batch runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Column, Table, added, nullable, required
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS


def _text(name: str) -> Column:
    return required(
        name, STRING, f"The corrected record's {name}, as text; empty where it is blank"
    )


TABLE = Table(
    name="dead_letter_corrections",
    description=(
        "One row per dead letter that a replay has corrected: what later batch runs over the same "
        "source read in the record's place. Remove a row, and its dead letter comes back."
    ),
    columns=(
        required("dead_letter_id", STRING, "The dead letter: hash of payload, source and position"),
        required("corrected_at", TIMESTAMP, "When the replay began that corrected it"),
        required("error_type", STRING, "Why it had been rejected"),
        required("source", STRING, "The dead letter's: the file's path, or the subscription"),
        nullable("position", STRING, "The dead letter's: byte offset in the file, or message id"),
        *(_text(name) for name in SOURCE_COLUMNS),
        added(EVENT_ID, STRING, "What its source calls the event; empty where it does not"),
    ),
    primary_key=("dead_letter_id",),
    written_at="corrected_at",
)


def rows(
    dead_letters: pa.Table, chosen: Sequence[int], corrected: pa.Table, corrected_at: datetime
) -> pa.Table:
    """Rows of dead_letter_corrections.

    Args:
        dead_letters: rows of dead_letter_events.
        chosen: which of them are corrected.
        corrected: for each of these the texts of the eight source columns and of event_id.
        corrected_at: in UTC without a zone.
    """
    kept = dead_letters.take(pa.array(chosen, pa.int64()))
    return TABLE.build(
        {
            **{name: kept[name] for name in ("dead_letter_id", "error_type", "source", "position")},
            "corrected_at": pa.scalar(corrected_at, pa.timestamp("us")),
            **{name: corrected[name] for name in (*SOURCE_COLUMNS, EVENT_ID)},
        }
    )
