"""Bytes that NumPy has made, as values of Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def binary_array(data: NDArray[np.uint8], lengths: NDArray[np.int64]) -> pa.BinaryArray:
    """Values of so many bytes each, one after the other: binary [n]."""
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
