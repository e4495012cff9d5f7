"""Let a generator work ahead in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def prefetch(items: Iterator[_Item]) -> Iterator[_Item]:
    """The same items; while one is being used, a thread already makes the next.

    Worth it where both sides spend their time outside the interpreter's lock, as pyarrow and
    NumPy do on large arrays.
    """
    with ThreadPoolExecutor(1) as executor:
        upcoming = executor.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = executor.submit(next, items, None)
            yield item
