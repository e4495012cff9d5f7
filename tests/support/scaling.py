"""How work grows with its input, whatever else the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable

_TRIES = 20


def costs_at_most(times: float, large: Callable[[], object], small: Callable[[], object]) -> bool:
    """Whether one piece of work takes at most so many times the CPU time of another.

    It is measured again where it seems to take more: other programs add to a measure now and then,
    a cost that grows too fast adds to all of them.
    """
    return any(_seconds(large) <= times * _seconds(small) for _ in range(_TRIES))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return max(time.process_time() - begin, 1e-5)
