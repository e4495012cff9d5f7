"""128-bit hashes, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.text_blocks import Blocks

_HEX_PAIRS: Final = np.frombuffer(
    b"".join(b"%02x" % byte for byte in range(256)), dtype="<u2"
).copy()


@dataclass(frozen=True)
class Hashes:
    """128-bit hashes of n rows: `high` and `low`, uint64 [n]."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]

    @classmethod
    def none(cls) -> Hashes:
        """Those of no row."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.uint64))

    @classmethod
    def of(cls, blocks: Blocks) -> Hashes:
        """Hashes whose 32 digits are those of the blocks' bytes, in their order."""
        words = np.ascontiguousarray(blocks, "<u8").view(">u8").astype(np.uint64)
        return cls(np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1]))

    @classmethod
    def concat(cls, parts: Sequence[Hashes]) -> Hashes:
        """The rows of one or more parts, in their order."""
        return cls(
            np.concatenate([part.high for part in parts]),
            np.concatenate([part.low for part in parts]),
        )

    def blocks(self) -> Blocks:
        """The blocks of which `of` makes these."""
        words = np.empty((len(self), 2), ">u8")
        words[:, 0], words[:, 1] = self.high, self.low
        return words.view("<u8")

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Hashes:
        return Hashes(self.high[rows], self.low[rows])

    def hex(self) -> NDArray[np.uint8]:
        """32 lower-case hexadecimal digits of each row: ASCII, uint8 [n, 32]."""
        words = np.empty((len(self), 2), ">u8")
        words[:, 0], words[:, 1] = self.high, self.low
        # Half the time of _HEX_PAIRS[...].
        return _HEX_PAIRS.take(words.view(np.uint8)).view(np.uint8)


def ascii_array(digits: NDArray[np.uint8]) -> pa.Array:
    """Rows of ASCII digits, uint8 [n, width], as an Arrow string array."""
    rows, width = digits.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(digits))
    )
