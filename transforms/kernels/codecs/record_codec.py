"""A user's events as records: what streaming shuffles, and keeps of the events of the horizon.

Some records begin with the number of their layout, once. A record holds an event's id, so that
nobody computes it twice, and not the user id, which is its key. The layout is part of running
jobs: it may only change together with `_VERSION`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.kernels.codecs.arrays import binary_array
from transforms.kernels.codecs.layouts import check_layout, refuse_damaged
from transforms.kernels.compression import digests
from transforms.kernels.event_batch import event_batch
from transforms.kernels.hashing import Hashes
from transforms.kernels.sessions import OTHER_COLUMNS, SortedEvents
from transforms.reckoning import PLAIN, Reckoning
from transforms.vocabulary import EVENT_TYPES

_VERSION: Final = 1
_NULL: Final = -1
_TEXTS: Final = ("transaction_category", "utm_source", "country")
# Time, id, event type, platform, miles (-1 for NULL), and of each text its bytes and one more
# (0 for NULL).
_FIXED: Final = struct.Struct("<qQQbbq3I")
_NUMBERS: Final = np.dtype(
    [
        *(("time_us", "<i8"), ("high", "<u8"), ("low", "<u8")),
        *(("event_type", "i1"), ("platform", "i1"), ("miles", "<i8"), ("sizes", "<u4", 3)),
    ]
)
_WHAT: Final = "an event of a user"


class Record(NamedTuple):
    """One event of a user; records order as events do.

    Attributes:
        time_us: when it happened, in microseconds since 1970-01-01.
        high, low: its id.
        event_type, platform: indices in the vocabulary.
        miles: -1 for NULL.
        data: all of it, as bytes.
    """

    time_us: int
    high: int
    low: int
    event_type: int
    platform: int
    miles: int
    data: bytes


def encode_users(events: SortedEvents) -> Iterator[tuple[str, bytes]]:
    """Each user of some events, and the user's events as bytes, in their order."""
    for user_id, records in by_user(events):
        yield user_id, encode_records([records])


def encode_records(data: Iterable[bytes]) -> bytes:
    """Records, one after the other."""
    return b"".join([bytes([_VERSION]), *data])


def decode_records(encoded: bytes) -> list[Record]:
    """The records that `encode_users` or `encode_records` wrote.

    Raises:
        DataError: if a later version wrote them, or if they are damaged.
    """
    if not encoded:
        refuse_damaged(_WHAT)
    check_layout(_WHAT, encoded[0], _VERSION)
    found, at = [], 1
    try:
        while at < len(encoded):
            fixed = _FIXED.unpack_from(encoded, at)
            # A text of n bytes is stored as n + 1, none as 0.
            texts = sum(fixed[6:]) - 3 + fixed[6:].count(0)
            start, at = at, at + _FIXED.size + texts
            found.append(Record._make((*fixed[:6], encoded[start:at])))
    except struct.error:
        refuse_damaged(_WHAT)
    if at != len(encoded):
        refuse_damaged(_WHAT)
    return found


def texts_of(record: bytes) -> list[str | None]:
    """The transaction category, the UTM source and the country of a record's bytes."""
    at, texts = _FIXED.size, []
    for size in _FIXED.unpack_from(record)[-3:]:
        texts.append(record[at : at + size - 1].decode() if size else None)
        at += max(size - 1, 0)
    return texts


def platform_of(record: bytes) -> int:
    """The platform of a record's bytes, as an index in the vocabulary."""
    return int(_FIXED.unpack_from(record)[4])


def sorted_events(
    records_by_user: Mapping[str, Sequence[Record]],
    event_types: tuple[str, ...] = EVENT_TYPES,
    reckoning: Reckoning = PLAIN,
) -> SortedEvents:
    """The events of users, each of which has one or more; in any order, and none twice.

    Args:
        records_by_user: by user id.
        event_types: the names of the event types, by their codes.
        reckoning: how their time is reckoned.
    """
    user_ids = sorted(records_by_user)  # By code points, which is by UTF-8 bytes.
    records = [record for user_id in user_ids for record in sorted(records_by_user[user_id])]
    sizes = np.array([len(records_by_user[user_id]) for user_id in user_ids], np.int64)
    user = np.repeat(np.arange(len(user_ids)), sizes)
    starts = np.zeros(len(records), np.bool_)
    starts[(np.cumsum(sizes) - sizes)] = True
    time_us, high, low, event_type, platform, miles, data = zip(*records, strict=True)
    texts = zip(*map(texts_of, data), strict=True)
    ids = pa.array(user_ids, pa.string())
    batch = event_batch(
        {
            **dict(zip(_TEXTS, texts, strict=True)),
            "event_time": time_us,
            "user_id": ids.take(pa.array(user)),
            "event_type": event_type,
            "platform": platform,
            "miles_amount": [None if value == _NULL else value for value in miles],
        }
    )
    return SortedEvents(
        table=pa.Table.from_batches([batch]).select(OTHER_COLUMNS),
        ids=Hashes(np.array(high, np.uint64), np.array(low, np.uint64)),
        user_ids=ids,
        user_digests=digests(ids),
        user_of_event=user,
        user_starts_mask=starts,
        time_us=np.array(time_us, np.int64),
        event_type=np.array(event_type, np.int8),
        platform=np.array(platform, np.int8),
        rows=np.arange(len(records)),
        duplicates=0,
        event_types=event_types,
        reckoning=reckoning,
    )


def records_of(events: SortedEvents) -> pa.BinaryArray:
    """Each event as a record's bytes, without the number of the layout."""
    table = events.table
    texts = [table[name].combine_chunks().cast(pa.string()) for name in _TEXTS]
    fixed = np.empty(len(events.ids), _NUMBERS)
    fixed["time_us"] = events.time_us
    fixed["high"], fixed["low"] = events.ids.high, events.ids.low
    fixed["event_type"], fixed["platform"] = events.event_type, events.platform
    fixed["miles"] = table["miles_amount"].combine_chunks().fill_null(_NULL).to_numpy()
    for at, text in enumerate(texts):
        fixed["sizes"][:, at] = pc.binary_length(text).fill_null(-1).to_numpy() + 1
    sizes = np.full(len(fixed), _NUMBERS.itemsize)
    return pc.binary_join_element_wise(
        binary_array(fixed.view(np.uint8), sizes),
        *(text.fill_null("").cast(pa.binary()) for text in texts),
        b"",
    )


def by_user(events: SortedEvents) -> Iterator[tuple[str, bytes]]:
    """Each user of some events, and the user's records, without the number of the layout."""
    if not len(events.ids):
        return
    _, offsets, data = records_of(events).buffers()
    ends = np.frombuffer(offsets, np.int32, len(events.ids) + 1)
    octets, starts = memoryview(data), np.flatnonzero(events.user_starts_mask)
    bounds = ends[np.append(starts, len(events.ids))].tolist()
    for at, user_id in enumerate(events.user_ids.to_pylist()):
        yield user_id, bytes(octets[bounds[at] : bounds[at + 1]])
