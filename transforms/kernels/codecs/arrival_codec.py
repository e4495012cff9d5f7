"""A user's events on their way through a stream whose source says which event each is.

They are records, and what a dead letter would need: the source's id of each, and where it was read.
State keeps the records alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import pyarrow as pa

from transforms.kernels.codecs.record_codec import Record, encode_users, texts_of
from transforms.kernels.sessions import SortedEvents

_SIZE_BYTES: Final = 4
_NULL: Final = -1


class Named(NamedTuple):
    """What a source says of an event: its id, None for none, where it was read, and the user's id,
    None where that is the one by which the user is known."""

    source_id: str | None
    position: str
    came_as: str | None


# By the ids of events.
Names = Mapping[tuple[int, int], Named]


def encode_arrivals(events: SortedEvents, came: pa.RecordBatch) -> Iterator[tuple[str, bytes]]:
    """Each user of some events, and the user's events as bytes.

    Args:
        events: they.
        came: of which they are, with the schema IDENTIFIED_BATCH.
    """
    rows = came.select(["source_id", "position", "came_as"]).take(pa.array(events.rows))
    said = [
        [int(high), int(low), row["source_id"], row["position"], row["came_as"]]
        for high, low, row in zip(events.ids.high, events.ids.low, rows.to_pylist(), strict=True)
    ]
    starts = [*events.user_starts_mask.nonzero()[0].tolist(), len(said)]
    for at, (user_id, records) in enumerate(encode_users(events)):
        names = json.dumps(said[starts[at] : starts[at + 1]], ensure_ascii=False).encode()
        yield user_id, len(records).to_bytes(_SIZE_BYTES, "big") + records + names


def decode_arrivals(encoded: bytes) -> tuple[bytes, Names]:
    """The encoded records that `encode_arrivals` wrote, and what is said of them."""
    end = _SIZE_BYTES + int.from_bytes(encoded[:_SIZE_BYTES], "big")
    said = json.loads(encoded[end:])
    names = {(high, low): Named(*named) for high, low, *named in said}
    return encoded[_SIZE_BYTES:end], names


def values_of(user_id: str, record: Record) -> dict[str, object]:
    """An event's values by the names of EVENT_BATCH."""
    category, source, country = texts_of(record.data)
    return {
        "event_time": datetime(1970, 1, 1) + timedelta(microseconds=record.time_us),
        "user_id": user_id,
        "event_type": record.event_type,
        "transaction_category": category,
        "miles_amount": None if record.miles == _NULL else record.miles,
        "platform": record.platform,
        "utm_source": source,
        "country": country,
    }
