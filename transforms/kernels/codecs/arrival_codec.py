"""Single events with the moment of their arrival, in few bytes: what session windows gather.

The layout is part of running jobs: it may only change together with `_VERSION`. 0.1.0 wrote it too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.codecs.layouts import check_layout
from transforms.kernels.event_batch import EVENT_BATCH, event_batch

_VERSION: Final = 1
_TEXTS: Final = ("user_id", "transaction_category", "utm_source", "country")
_NUMBERS: Final = ("event_time", "event_type", "platform", "miles_amount")
# Version, arrival, numbers (miles -1 for NULL), and of each text its bytes and one more (0: NULL).
_FIXED: Final = struct.Struct("<Bqqbbq4I")


def encode_arrivals(events: pa.RecordBatch, first_us: int) -> list[bytes]:
    """Each event as bytes; they arrived a microsecond after each other.

    Args:
        events: with the schema EVENT_BATCH.
        first_us: when the first of them arrived, in microseconds since 1970-01-01.
    """
    numbers = [_integers(events.column(name)) for name in _NUMBERS]
    texts = [events.column(name).to_pylist() for name in _TEXTS]
    encoded = []
    for row, values in enumerate(zip(*numbers, strict=True)):
        parts = [None if column[row] is None else column[row].encode() for column in texts]
        sizes = (0 if part is None else len(part) + 1 for part in parts)
        fixed = _FIXED.pack(_VERSION, first_us + row, *values, *sizes)
        encoded.append(b"".join([fixed, *filter(None, parts)]))
    return encoded


def _integers(column: pa.Array) -> list[int]:
    integers: list[int] = column.cast(pa.int64()).fill_null(-1).to_pylist()
    return integers


def decode_arrivals(arrivals: Iterable[bytes]) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """What `encode_arrivals` wrote: the events, and int64 [n], when each arrived.

    Raises:
        DataError: if a later version wrote them.
    """
    columns: dict[str, list[Any]] = {name: [] for name in EVENT_BATCH.names}
    arrived: list[int] = []
    for data in arrivals:
        version, arrival, *fixed = _FIXED.unpack_from(data)
        check_layout("an event's arrival", version, _VERSION)
        arrived.append(arrival)
        for name, number in zip(_NUMBERS, fixed, strict=False):
            columns[name].append(None if number == -1 else number)
        at = _FIXED.size
        for name, size in zip(_TEXTS, fixed[len(_NUMBERS) :], strict=True):
            columns[name].append(data[at : at + size - 1].decode() if size else None)
            at += max(size - 1, 0)
    return event_batch(columns), np.array(arrived, np.int64)
