"""Small integers in few bytes: unsigned LEB128, many at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_WORD: Final = 8
# Groups that stay, and by how many bits the groups between them move down.
_CLOSING_UP: Final = (
    (np.uint64(0x007F007F007F007F), np.uint64(1)),
    (np.uint64(0x00003FFF00003FFF), np.uint64(2)),
    (np.uint64(0x000000000FFFFFFF), np.uint64(4)),
)


def encode(values: NDArray[np.int64]) -> bytes:
    """Numbers >= 0, each in as many bytes as its value needs: 1 below 128, 2 below 16,384 ..."""
    return encode_each(values)[0].tobytes()


def encode_each(values: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What `encode` writes, as uint8 [bytes], and int64 [n], how many bytes each number takes."""
    lengths = byte_lengths(values)
    starts = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), np.uint8)
    out[starts] = values.astype(np.uint8) & 0x7F | (lengths > 1).view(np.uint8) << 7
    rows = np.flatnonzero(lengths > 1)
    for at in range(1, int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > at]
        more = (lengths[rows] > at + 1).view(np.uint8) << 7
        out[starts[rows] + at] = (values[rows] >> (7 * at) & 0x7F).astype(np.uint8) | more
    return out, lengths


def byte_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many bytes each number takes: int64 [n]."""
    lengths = np.ones(len(values), np.int64)
    rows = np.flatnonzero(values >= 1 << 7)
    long, taken = values[rows], np.full(len(rows), 2)
    for bits in range(14, int(long.max(initial=0)).bit_length(), 7):
        taken += long >= 1 << bits
    lengths[rows] = taken
    return lengths


def decode(data: bytes | NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers that `encode` wrote."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    lengths = ends - starts + 1
    values = octets[starts].astype(np.int64)
    rows = np.flatnonzero(lengths > 1)
    if len(rows):
        values[rows] = _joined(octets, starts[rows], lengths[rows])
    return values


def _joined(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The numbers of several bytes: int64 [n]. Eight bytes are one word, whose groups of 7 bits
    close up in three steps: half the time of a step for each byte."""
    padded = np.append(octets, np.zeros(_WORD, np.uint8))
    words = np.ndarray(len(octets) + 1, "<u8", padded, strides=(1,))[starts]
    left_out = 8 * (_WORD - np.minimum(lengths, _WORD))
    words &= np.uint64(0x7F7F7F7F7F7F7F7F) >> left_out.astype(np.uint64)
    for kept, shift in _CLOSING_UP:
        lower = words & kept
        words ^= lower
        words >>= shift
        words |= lower
    values: NDArray[np.int64] = words.view(np.int64)
    for at in range(_WORD, int(lengths.max())):
        longer = np.flatnonzero(lengths > at)
        values[longer] |= (octets[starts[longer] + at] & 0x7F).astype(np.int64) << (7 * at)
    return values
