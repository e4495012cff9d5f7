"""A user's few events in few bytes: what streaming shuffles.

The layout is part of running jobs: it may only change together with `_VERSION`. 0.1.0 wrote it too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels import varints
from transforms.kernels.codecs.layouts import check_layout
from transforms.kernels.event_batch import event_batch

_VERSION: Final = 1
_LABELS: Final = ("transaction_category", "utm_source", "country")
_STRINGS: Final = ("user_id", *_LABELS)


def encode_events(events: pa.RecordBatch) -> bytes:
    """Events as bytes, the same for equal events in the same order.

    Args:
        events: with the schema EVENT_BATCH.
    """
    strings = [_strings(events.column(name)) for name in _STRINGS]
    lengths = np.concatenate([_lengths(column) for column in strings])
    known_miles = events.column("miles_amount").is_valid().to_numpy(zero_copy_only=False)
    miles = events.column("miles_amount").fill_null(0).to_numpy()
    header = varints.encode(np.array([_VERSION, len(events)]))
    numbers = varints.encode(np.concatenate([lengths, miles[known_miles]]))
    return b"".join(
        [
            header,
            events.column("event_time").cast(pa.int64()).to_numpy().astype("<i8").tobytes(),
            events.column("event_type").to_numpy().tobytes(),
            events.column("platform").to_numpy().tobytes(),
            known_miles.tobytes(),
            varints.encode(np.array([len(numbers)])),
            numbers,
            *(text.encode() for column in strings for text in column if text),
        ]
    )


def decode_events(data: bytes) -> pa.RecordBatch:
    """The events that `encode_events` wrote.

    Raises:
        DataError: if a later version wrote them.
    """
    reader = _Reader(data)
    version, rows = reader.varint(), reader.varint()
    check_layout("an event", version, _VERSION)
    times = np.frombuffer(reader.take(8 * rows), "<i8")
    types, platforms = (np.frombuffer(reader.take(rows), np.int8) for _ in range(2))
    known_miles = np.frombuffer(reader.take(rows), np.bool_)
    numbers = varints.decode(reader.take(reader.varint()))
    lengths, known = np.split(numbers, [len(_STRINGS) * rows])
    miles = np.zeros(rows, np.int64)
    miles[known_miles] = known
    strings = {
        name: [reader.text(length - 1) for length in part.tolist()]
        for name, part in zip(_STRINGS, lengths.reshape(len(_STRINGS), rows), strict=True)
    }
    numbers_by_name = {
        "event_time": times,
        "event_type": types,
        "miles_amount": pa.array(miles, mask=~known_miles),
        "platform": platforms,
    }
    return event_batch(numbers_by_name | strings)


def _strings(column: pa.Array) -> list[str | None]:
    found: list[str | None] = column.to_pylist()
    return found


def _lengths(texts: list[str | None]) -> NDArray[np.int64]:
    """Bytes of each text and one more; 0 for NULL."""
    return np.array([0 if text is None else len(text.encode()) + 1 for text in texts], np.int64)


class _Reader:
    """Reads bytes from their beginning to their end."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            octet = self._data[self._at]
            self._at += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7

    def text(self, size: int) -> str | None:
        return self.take(size).decode() if size >= 0 else None
