"""Keep freed memory for the next array.

A run allocates and frees arrays of megabytes all the time. Left to themselves, both allocators
hand such memory back to the system, which hands it out again page by page: 4 of the 27 seconds
that 10 M events take.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

# Parameters of glibc's mallopt (malloc.h): memory below which the heap serves it, free memory kept
# at the heap's end, number of heaps.
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
_M_ARENA_MAX: Final = -8
_LARGEST_THRESHOLD: Final = 32 << 20
_LARGEST_INT: Final = 2**31 - 1


def keep_freed_memory() -> None:
    """Set up this process's allocators; takes effect if called before pyarrow is imported."""
    # Arrow's allocator reads it when it is loaded.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # Not glibc: slower, and just as right.
    mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
    mallopt(_M_ARENA_MAX, 1)
