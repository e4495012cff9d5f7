"""Processing time as the transforms see it; tests bring a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

# Seconds since 1970-01-01, UTC.
Clock = Callable[[], float]

system_clock: Final[Clock] = time.time

_EPOCH: Final = datetime(1970, 1, 1)


def microseconds(clock: Clock) -> int:
    """Now, in microseconds since 1970-01-01."""
    return round(clock() * 1e6)


def arriving(value: Any, clock: Clock) -> WindowedValue:
    """What a bundle gives at its end, timestamped now.

    By default it would be from the beginning of time, and so would be the watermark for as long as
    it, or a timer that it sets, is under way: no session window would ever end.
    """
    return GlobalWindows.windowed_value(value, Timestamp(micros=microseconds(clock)))


def as_datetime(us: int) -> datetime:
    """Microseconds since 1970-01-01 as a datetime in UTC without a zone."""
    return _EPOCH + timedelta(microseconds=us)
