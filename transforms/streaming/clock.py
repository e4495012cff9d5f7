"""Processing time as the transforms see it; tests bring a clock of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

# Seconds since 1970-01-01, UTC.
Clock = Callable[[], float]

system_clock: Final[Clock] = time.time

_EPOCH: Final = datetime(1970, 1, 1)


def microseconds(clock: Clock) -> int:
    """Now, in microseconds since 1970-01-01."""
    return round(clock() * 1e6)


def as_datetime(us: int) -> datetime:
    """Microseconds since 1970-01-01 as a datetime in UTC without a zone."""
    return _EPOCH + timedelta(microseconds=us)
