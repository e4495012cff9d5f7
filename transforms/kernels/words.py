"""Bytes read eight at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def words_at(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 8 bytes that begin at each byte, as one little-endian word: uint64 [len(data) - 7].

    A view, so that a gather of words at any offsets reads `data` itself.
    """
    return np.lib.stride_tricks.as_strided(
        data[:8].view("<u8"), (len(data) - 7,), (1,), writeable=False
    )
