"""How event ids and session ids are written: digits of six bits each, which sort as the ids do."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.calendar import US_PER_SECOND
from transforms.kernels.hashing import Hashes
from transforms.kernels.text_blocks import Blocks, chunks
from transforms.quality.declaration import EVENT_ID_DIGITS, ID_DIGITS, SESSION_ID_DIGITS

# Of 36 bits, so that the years 881 to 3058 sort as they follow each other.
_FIRST_SECOND: Final = -(2**35)
# Two digits at a time: half the table look-ups.
_PAIRS: Final = np.frombuffer(
    b"".join(bytes((one, other)) for one in ID_DIGITS.encode() for other in ID_DIGITS.encode()),
    dtype="<u2",
).copy()
# Of each character its six bits.
_NO_DIGIT: Final = np.uint64(64)
_SIXES: Final = np.full(256, _NO_DIGIT)
_SIXES[np.frombuffer(ID_DIGITS.encode(), np.uint8)] = np.arange(64, dtype=np.uint64)
_PAIR: Final = np.uint64(2**12 - 1)


def event_digits(ids: Hashes) -> NDArray[np.uint8]:
    """The texts of event ids, 128 bits and four that are 0: ASCII, uint8 [n, 22]."""
    pairs = np.empty((len(ids), EVENT_ID_DIGITS // 2), "<u2")
    for rows in chunks(len(ids)):
        high, low = ids.high[rows], ids.low[rows]
        for place, shift in enumerate((52, 40, 28, 16, 4)):
            pairs[rows, place] = _pairs(high >> np.uint64(shift))
        pairs[rows, 5] = _pairs(high << np.uint64(8) | low >> np.uint64(56))
        for place, shift in enumerate((44, 32, 20, 8), start=6):
            pairs[rows, place] = _pairs(low >> np.uint64(shift))
        pairs[rows, 10] = _pairs(low << np.uint64(4))
    return pairs.view(np.uint8)


def event_hashes(texts: pa.Array) -> Hashes:
    """The ids whose texts `event_digits` makes.

    Args:
        texts: a string array without NULL [n], each of 22 of ID_DIGITS.

    Raises:
        ValueError: if one is no such text.
    """
    fixed = texts.cast(pa.binary()).cast(pa.binary(EVENT_ID_DIGITS))
    start = fixed.offset * EVENT_ID_DIGITS
    data = np.frombuffer(fixed.buffers()[1] or b"", np.uint8)
    data = data[start : start + len(fixed) * EVENT_ID_DIGITS]
    six = _SIXES[data].reshape(-1, EVENT_ID_DIGITS)
    if (six == _NO_DIGIT).any():
        raise ValueError("an event id has a character that is none of base64")
    high = np.zeros(len(six), np.uint64)
    for place in range(10):
        high |= six[:, place] << np.uint64(58 - 6 * place)
    high |= six[:, 10] >> np.uint64(2)
    low = six[:, 10] << np.uint64(62)
    for place in range(11, 21):
        low |= six[:, place] << np.uint64(56 - 6 * (place - 11))
    low |= six[:, 21] >> np.uint64(4)
    return Hashes(high, low)


def session_digits(
    users: Blocks, user_of_session: NDArray[np.int64], first_us: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """The texts of session ids: the user's digest, and the second in which the session began.

    No two sessions of a user begin in the same second: they are half an hour apart.

    Args:
        users: the digest of each user id.
        user_of_session: int64 [sessions], the index of each session's user.
        first_us: int64 [sessions], when each one's first event was, in microseconds.

    Returns:
        ASCII, uint8 [sessions, 28].
    """
    digits = np.empty((len(first_us), SESSION_ID_DIGITS), np.uint8)
    of_users = event_digits(Hashes.of(users))
    for rows in chunks(len(digits)):
        digits[rows, :EVENT_ID_DIGITS] = of_users.take(user_of_session[rows], axis=0)
        second = (first_us[rows] // US_PER_SECOND - _FIRST_SECOND).astype(np.uint64)
        moments = np.empty((len(second), (SESSION_ID_DIGITS - EVENT_ID_DIGITS) // 2), "<u2")
        for place, shift in enumerate((24, 12, 0)):
            moments[:, place] = _pairs(second >> np.uint64(shift))
        digits[rows, EVENT_ID_DIGITS:] = moments.view(np.uint8)
    return digits


def _pairs(bits: NDArray[np.uint64]) -> NDArray[np.uint16]:
    return _PAIRS.take((bits & _PAIR).astype(np.int64))
