"""The events of a user that may be repeated, as bytes: 24 for each.

Layout 2 begins with its number. Layout 1 has no number, and a multiple of 24 bytes; whose ids they
are, those of 0.1.0 or today's, the timeline beside it says.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from transforms.kernels.codecs.layouts import check_layout, refuse_damaged
from transforms.kernels.hashing import Hashes
from transforms.kernels.user_state import RecentEvents

_VERSION: Final = 2
_EVENT_BYTES: Final = 24


def encode_recent(events: RecentEvents) -> bytes:
    """Recent events as bytes, the same for equal ones."""
    arrays = (
        events.time_us.astype("<i8"),
        events.ids.high.astype("<u8"),
        events.ids.low.astype("<u8"),
    )
    return bytes([_VERSION]) + b"".join(array.tobytes() for array in arrays)


def decode_recent(data: bytes) -> RecentEvents:
    """The events that `encode_recent` wrote.

    Raises:
        DataError: if a later version wrote them, or if they are damaged.
    """
    if numbered := len(data) % _EVENT_BYTES:
        check_layout("a user's recent events", data[0], _VERSION)
        if numbered != 1 or data[0] != _VERSION:
            refuse_damaged("a user's recent events")
    words = np.frombuffer(data, "<u8", offset=1 if numbered else 0).reshape(3, -1)
    return RecentEvents(
        words[0].astype(np.int64),
        Hashes(words[1].astype(np.uint64), words[2].astype(np.uint64)),
    )
