"""Telling what needs a person while a stream runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pipeline.alerts.bounds import Alerts
from pipeline.alerts.telling import tell
from pipeline.moments import utc_now
from pipeline.warehouse import Warehouse

# A look takes some ten small queries, of 10 MB each where they are billed: behind a flush once a
# minute at most, and where no message comes every ten minutes, for the age of the newest event.
_BUSY_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 600.0


class Watch:
    """Looks at a stream's warehouse from time to time, and tells what is news."""

    def __init__(
        self,
        alerts: Alerts | None,
        warehouse: Warehouse,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Without anything to tell it never looks."""
        self._alerts, self._warehouse, self._clock = alerts, warehouse, clock
        self._busy_due, self._idle_due = clock(), clock() + _IDLE_SECONDS
        self._has_flushed = False

    def flushed(self) -> None:
        """Something has changed in the warehouse."""
        self._has_flushed = True

    def look_when_due(self) -> None:
        """Look, if it is time to."""
        now = self._clock()
        due = min(self._busy_due, self._idle_due) if self._has_flushed else self._idle_due
        if self._alerts is None or now < due:
            return
        tell(self._alerts, self._warehouse, utc_now())
        now = self._clock()
        self._busy_due, self._idle_due = now + _BUSY_SECONDS, now + _IDLE_SECONDS
        self._has_flushed = False
