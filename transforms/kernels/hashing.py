"""128-bit hashes of columns, the same on every machine, run and mode.

Strings of up to 64 bytes and integers are mixed word by word, vectorised; longer strings are
reduced by BLAKE2b. The hash of a row is the sum of the hashes of its columns, each salted (Zobrist
hashing). The mixer is the finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection
of each 64-bit word, so rows that differ in one word never collide in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.words import words_at

_SEEDS: Final = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)
_STEPS: Final = (0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_R1, _R2, _R3 = np.uint64(30), np.uint64(27), np.uint64(31)
_LONG: Final = 64
_NULL: Final = b"\x00null"
_HEX_PAIRS: Final = np.frombuffer(
    b"".join(b"%02x" % byte for byte in range(256)), dtype="<u2"
).copy()


@dataclass(frozen=True)
class Hashes:
    """128-bit hashes of n rows: `high` and `low`, uint64 [n]."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]

    @classmethod
    def seeded(cls, rows: int) -> Hashes:
        """The state before anything was absorbed."""
        return cls(*(np.full(rows, seed, np.uint64) for seed in _SEEDS))

    @classmethod
    def concat(cls, parts: Sequence[Hashes]) -> Hashes:
        """The rows of one or more parts, in their order."""
        return cls(
            np.concatenate([part.high for part in parts]),
            np.concatenate([part.low for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Hashes:
        return Hashes(self.high[rows], self.low[rows])

    def absorb(self, words: NDArray[np.uint64]) -> Hashes:
        """The hashes after one more 64-bit word in each row."""
        return Hashes(
            _mix(self.high ^ words, _STEPS[0]),
            _mix(self.low ^ words, _STEPS[1]),
        )

    def __add__(self, other: Hashes) -> Hashes:
        """The lane-wise sum, modulo 2^64: how the hashes of several columns make one of a row."""
        return Hashes(self.high + other.high, self.low + other.low)

    def hex(self) -> NDArray[np.uint8]:
        """32 lower-case hexadecimal digits of each row: ASCII, uint8 [n, 32]."""
        words = np.empty((len(self), 2), ">u8")
        words[:, 0], words[:, 1] = self.high, self.low
        return _HEX_PAIRS[words.view(np.uint8)].view(np.uint8)


def _mix(words: NDArray[np.uint64], step: int) -> NDArray[np.uint64]:
    words = words + np.uint64(step)
    words ^= words >> _R1
    words *= _M1
    words ^= words >> _R2
    words *= _M2
    words ^= words >> _R3
    return words


def hash_strings(strings: pa.Array) -> Hashes:
    """Hashes of a string or binary array; NULL has a hash of its own."""
    array = strings.cast(pa.binary())
    offsets = np.frombuffer(array.buffers()[1], np.int32)[
        array.offset : array.offset + len(array) + 1
    ].astype(np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    data = array.buffers()[2]
    hashes = _hash_short(np.frombuffer(data or b"", np.uint8), starts, np.minimum(lengths, _LONG))
    hashes = hashes.absorb(lengths.astype(np.uint64))
    unusual = lengths > _LONG
    if array.null_count:
        unusual |= array.is_null().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(unusual):
        value = array[int(row)].as_py()
        digest = hashlib.blake2b(_NULL if value is None else b"text" + value, digest_size=16)
        hashes.high[row], hashes.low[row] = np.frombuffer(digest.digest(), ">u8")
    return hashes


def _hash_short(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Hashes:
    hashes = Hashes.seeded(len(starts))
    longest = int(lengths.max(initial=0))
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    words_of = words_at(padded)
    for at in range(0, longest, 8):
        rows: NDArray[np.int64] | slice = slice(None)
        if int(lengths.min()) <= at:
            rows = np.flatnonzero(lengths > at)
        words = words_of[starts[rows] + at]
        missing = 8 - np.clip(lengths[rows] - at, 0, 8)
        words &= _KEEP[missing]
        absorbed = Hashes(hashes.high[rows], hashes.low[rows]).absorb(words)
        hashes.high[rows], hashes.low[rows] = absorbed.high, absorbed.low
    return hashes


_KEEP: Final = np.array(
    [0xFFFFFFFFFFFFFFFF >> (8 * missing) for missing in range(8)] + [0], np.uint64
)


def hash_labels(column: pa.DictionaryArray, salt: int) -> Hashes:
    """Hashes of a dictionary-encoded string array, equal to those of its decoded values.

    Args:
        column: NULL has a hash of its own.
        salt: tells columns apart that hold the same value.
    """
    values = pa.concat_arrays([column.dictionary, pa.nulls(1, pa.string())])
    by_value = hash_strings(values).absorb(np.full(len(values), salt, np.uint64))
    return by_value[column.indices.fill_null(len(column.dictionary)).to_numpy()]


def hash_integers(values: NDArray[np.int64], salt: int) -> Hashes:
    """Hashes of integers; `salt` tells columns apart that hold the same value."""
    seeds = Hashes.seeded(1).absorb(np.array([salt], np.uint64))
    return Hashes(seeds.high, seeds.low).absorb(values.view(np.uint64))


def hex_array(digits: NDArray[np.uint8]) -> pa.Array:
    """Rows of ASCII digits, uint8 [n, width], as an Arrow string array."""
    rows, width = digits.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits))
    )
