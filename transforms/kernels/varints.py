"""Small integers in few bytes: unsigned LEB128, many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
    values = (octets[starts] & 0x7F).astype(np.int64)
    rows = np.flatnonzero(lengths > 1)
    for at in range(1, int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > at]
        values[rows] |= (octets[starts[rows] + at] & 0x7F).astype(np.int64) << (7 * at)
    return values
