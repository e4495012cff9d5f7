"""Keep freed memory for the next array, and look for cycles of garbage seldom.

A run allocates and frees arrays of megabytes all the time. Left to themselves, both allocators
hand such memory back to the system, which hands it out again page by page: 4 of the 27 seconds
that 10 M events take. Python in turn looks through the objects of the imported modules
again and again: 0.6 seconds of each run.
"""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Final

# Parameters of glibc's mallopt (malloc.h): free memory kept at the heap's end, how many pieces may
# lie outside of the heap, number of heaps.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8
_LARGEST_INT: Final = 2**31 - 1
_NEW_OBJECTS: Final = 100_000


def keep_freed_memory() -> None:
    """Set up this process's allocators; takes effect if called before pyarrow is imported."""
    gc.set_threshold(_NEW_OBJECTS)
    # Arrow's allocator reads it when it is loaded.
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return  # Not glibc: slower, and just as right.
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
    mallopt(_M_ARENA_MAX, 1)
