"""dead_letter_mends: one row per dead letter that a replay has mended; batch runs apply them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Column, Table, nullable, required
from transforms.vocabulary import SOURCE_COLUMNS


def _text(name: str) -> Column:
    return required(name, STRING, f"The mended record's {name}, as text; empty where it is blank")


TABLE = Table(
    name="dead_letter_mends",
    description=(
        "One row per dead letter that a replay has mended: what later batch runs over the same "
        "source read in the record's place. Remove a row, and its letter comes back."
    ),
    columns=(
        required("dead_letter_id", STRING, "The letter: hash of payload, source and position"),
        required("mended_at", TIMESTAMP, "When the replay began that mended it"),
        required("error_type", STRING, "Why it had been rejected"),
        required("source", STRING, "The letter's: the file's path, or the subscription"),
        nullable("position", STRING, "The letter's: byte offset in the file, or the message id"),
        *(_text(name) for name in SOURCE_COLUMNS),
    ),
    primary_key=("dead_letter_id",),
    written_at="mended_at",
)


def rows(
    letters: pa.Table, chosen: Sequence[int], mended: pa.Table, mended_at: datetime
) -> pa.Table:
    """Rows of dead_letter_mends.

    Args:
        letters: rows of dead_letter_events.
        chosen: which of them are mended.
        mended: for each of these the texts of the eight source columns.
        mended_at: in UTC without a zone.
    """
    kept = letters.take(pa.array(chosen, pa.int64()))
    return TABLE.build(
        {
            **{name: kept[name] for name in ("dead_letter_id", "error_type", "source", "position")},
            "mended_at": pa.scalar(mended_at, pa.timestamp("us")),
            **{name: mended[name] for name in SOURCE_COLUMNS},
        }
    )
