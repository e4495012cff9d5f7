"""Texts as blocks of 16 bytes: what digests and shards of texts are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.words import words_at

# Blocks of 16 bytes, each as two little-endian words: uint64 [n, 2].
Blocks = NDArray[np.uint64]
Rows = NDArray[np.int64] | slice

BLOCK_BYTES: Final = 16
# Half a megabyte of blocks: what is made of them stays in the cache, which saves a third.
_CHUNK_ROWS: Final = 1 << 15
_LONGEST: Final = 64
_NULL: Final = -1
# By how many of its 8 bytes a word keeps, beginning with the lowest.
_KEEP: Final = np.array([(1 << 8 * kept) - 1 for kept in range(9)], np.uint64)


def chunks(rows: int) -> Iterator[slice]:
    """So many rows in parts that are worked through one after the other."""
    for start in range(0, rows, _CHUNK_ROWS):
        yield slice(start, min(start + _CHUNK_ROWS, rows))


@dataclass(frozen=True)
class TextBlocks:
    """Texts of up to 64 bytes as their own bytes, longer ones as one BLAKE2b digest.

    The lengths and the blocks together determine a text, but for two long ones of the same digest.

    Attributes:
        lengths: int64 [n], of each text in bytes; -1 for NULL.
    """

    lengths: NDArray[np.int64]
    _texts: pa.Array
    _starts: NDArray[np.int64]
    _data: NDArray[np.uint8]

    @classmethod
    def of(cls, texts: pa.Array) -> TextBlocks:
        """Those of a string or binary array."""
        array = texts.cast(pa.binary())
        _, offsets, data = array.buffers()
        ends = np.frombuffer(offsets, np.int32, len(array) + 1, 4 * array.offset).astype(np.int64)
        first, last = int(ends[0]), int(ends[-1])
        lengths = np.diff(ends)
        if array.null_count:
            lengths[array.is_null().to_numpy(zero_copy_only=False)] = _NULL
        used = np.frombuffer(data or b"", np.uint8, last - first, first if last > first else 0)
        # So that 16 bytes can be read at each of them, and at their end.
        padded = np.append(used, np.zeros(BLOCK_BYTES + 8, np.uint8))
        return cls(lengths, texts, ends[:-1] - first, padded)

    def last(self) -> Blocks:
        """A block for each text that holds its length: no two of other lengths are equal."""
        blocks = np.zeros((len(self.lengths), 2), "<u8")
        blocks[:, 0] = self.lengths.view(np.uint64)
        return blocks

    def __iter__(self) -> Iterator[tuple[Rows, Blocks]]:
        """The first block of each text that has one, the second blocks, and so on.

        Yields rows and their blocks, the last one of each row filled up with zeros.
        """
        if self._are_short_strings():
            yield slice(None), self._short_strings()
            return
        lengths = self.lengths
        long = np.flatnonzero(lengths > _LONGEST)
        for at in range(0, min(int(lengths.max(initial=0)), _LONGEST), BLOCK_BYTES):
            here = (lengths > at) & ((lengths <= _LONGEST) | (at == 0))
            rows: Rows = slice(None) if here.all() else np.flatnonzero(here)
            blocks = self._at(at, rows)
            if at == 0 and len(long):
                blocks[long if isinstance(rows, slice) else np.searchsorted(rows, long)] = [
                    self._digest(row) for row in long.tolist()
                ]
            yield rows, blocks

    def _are_short_strings(self) -> bool:
        return (
            pa.types.is_string(self._texts.type)
            and not self._texts.null_count
            and 0 < int(self.lengths.max(initial=0)) <= BLOCK_BYTES
            and int(self.lengths.min()) > 0
        )

    def _short_strings(self) -> Blocks:
        """The one block of each text, in half the time of `_at`."""
        padded = pc.ascii_rpad(self._texts, BLOCK_BYTES, "\0")
        data = padded.buffers()[2]
        return np.frombuffer(data, "<u8", 2 * len(padded), padded.offset).reshape(-1, 2)

    def _at(self, at: int, rows: Rows) -> Blocks:
        words = words_at(self._data)
        starts = self._starts[rows] + at
        left = self.lengths[rows] - at
        blocks = np.empty((len(starts), 2), "<u8")
        for word in (0, 1):
            kept = np.clip(left - 8 * word, 0, 8)
            # A word without a byte of the text may begin beyond the last text.
            np.bitwise_and(words[starts + 8 * word], _KEEP[kept], out=blocks[:, word])
        return blocks

    def _digest(self, row: int) -> NDArray[np.uint64]:
        start = int(self._starts[row])
        text = self._data[start : start + int(self.lengths[row])]
        digest = hashlib.blake2b(text.tobytes(), digest_size=BLOCK_BYTES)
        return np.frombuffer(digest.digest(), "<u8")
