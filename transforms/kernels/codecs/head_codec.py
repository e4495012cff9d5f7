"""What every event of a user reads and writes, as bytes.

The layout is part of running jobs: it may only change together with `_VERSION`.
"""

from __future__ import annotations

import struct
from typing import Final

from transforms.kernels.codecs.layouts import check_layout, refuse_damaged
from transforms.kernels.user_head import Place, UserHead

_VERSION: Final = 1
# The version; when it was written; the first event's time and id; the places of the last event and
# of the floor; when the timer is due; the sizes of the timeline, the facts and the first event.
_FIXED: Final = struct.Struct("<B2q2Q2qI2qIq3I")
_WHAT: Final = "what is kept of a user"


def encode_head(head: UserHead) -> bytes:
    """A head as bytes, the same for equal ones."""
    fixed = _FIXED.pack(
        _VERSION,
        head.written_at_us,
        *head.first,
        *head.last,
        *head.floor,
        head.due_us,
        len(head.timeline),
        len(head.facts),
        len(head.first_event),
    )
    return b"".join([fixed, head.timeline, head.facts, head.first_event])


def decode_head(data: bytes) -> UserHead:
    """The head that `encode_head` wrote.

    Raises:
        DataError: if a later version wrote it, or if it is damaged.
    """
    if not data:
        refuse_damaged(_WHAT)
    check_layout(_WHAT, data[0], _VERSION)
    try:
        numbers = _FIXED.unpack_from(data)
    except struct.error:
        refuse_damaged(_WHAT)
    facts_at = _FIXED.size + numbers[-3]
    first_at = facts_at + numbers[-2]
    if len(data) != first_at + numbers[-1]:
        refuse_damaged(_WHAT)
    return UserHead(
        numbers[1],
        numbers[2:5],
        Place(*numbers[5:8]),
        Place(*numbers[8:11]),
        numbers[11],
        data[_FIXED.size : facts_at],
        data[facts_at:first_at],
        data[first_at:],
    )
