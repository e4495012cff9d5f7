"""Processing time as the transforms see it; tests bring a clock of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

# Seconds since 1970-01-01, UTC.
Clock = Callable[[], float]

# So fast it goes while the wall clock is behind: slower, so that the wall clock catches up.
_BEHIND: Final = 0.5


class GrowingClock:
    """The wall clock, but for steps back: from there on it goes at half the speed until the wall
    clock has caught up.

    Timers that were set before such a step fire in time, and nothing that was late is in time
    again.

    Args:
        wall: seconds since 1970-01-01; may step.
        passed: seconds since any moment; never steps.
    """

    def __init__(self, wall: Clock, passed: Clock):
        self._wall, self._passed = wall, passed
        self._lock = threading.Lock()
        self._shown, self._at = wall(), passed()

    def __call__(self) -> float:
        with self._lock:
            at = self._passed()
            self._shown = max(self._wall(), self._shown + (at - self._at) * _BEHIND)
            self._at = at
            return self._shown


_PROCESS: Final = GrowingClock(time.time, time.monotonic)


def system_clock() -> float:
    """Now, in seconds since 1970-01-01, by the one clock of this process."""
    return _PROCESS()


def later(clock: Clock, before_us: int | None) -> int:
    """The moment of writing, in microseconds since 1970-01-01: now, and in any case after the one
    before, which another machine's clock may have shown. None for no moment before."""
    return max(microseconds(clock), (before_us or 0) + 1)


def microseconds(clock: Clock) -> int:
    """Now, in microseconds since 1970-01-01."""
    return round(clock() * 1e6)


def arriving(value: Any, clock: Clock) -> WindowedValue:
    """What a bundle gives at its end, timestamped now.

    By default it would be from the beginning of time, and so would be the watermark for as long as
    it, or a timer that it sets, is under way: no session window would ever end.
    """
    return GlobalWindows.windowed_value(value, Timestamp(micros=microseconds(clock)))
