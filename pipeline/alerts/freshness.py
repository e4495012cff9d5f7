"""How old the newest event of a warehouse is, for those who promise that it is not old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.paths import typed_command
from pipeline.warehouse import TableReader
from transforms.kernels.calendar import as_datetime
from transforms.marts import fct_events, growth_metrics


@dataclass(frozen=True)
class Freshness:
    """The newest event of a warehouse at a moment.

    Attributes:
        url: the warehouse's.
        newest: its event time, in UTC without a zone; None where there is no event.
        now: the moment, in UTC without a zone.
    """

    url: str
    newest: datetime | None
    now: datetime

    @property
    def line(self) -> str:
        """What a person reads of it."""
        if self.newest is None:
            return "Newest event: none"
        return f"Newest event: {self.newest:%Y-%m-%d %H:%M:%S} UTC, {self._age} ago"

    def refusal(self, max_age_hours: float) -> str | None:
        """Why the tables are too old; None where they are not."""
        if self.newest is None:
            return f"there is no event at all, where --max_age_hours {max_age_hours:g} asks for one"
        if self.now - self.newest <= timedelta(hours=max_age_hours):
            return None
        return (
            f"the newest event is of {self.newest:%Y-%m-%d %H:%M:%S} UTC, {self._age} ago, and "
            f"--max_age_hours allows {max_age_hours:g} hours: see whether newer files or messages "
            "have come, and whether the runs that take them in have failed "
            f"({typed_command('runs', self.url)})"
        )

    @property
    def _age(self) -> str:
        assert self.newest is not None
        age = self.now - self.newest
        if age >= timedelta(days=4):
            return f"{age / timedelta(days=1):,.1f} days"
        return f"{age / timedelta(hours=1):,.1f} hours"


def freshness(warehouse: TableReader, now: datetime) -> Freshness:
    """How old the newest event is.

    Of fct_events the partition of the last date is read alone, which growth_metrics names.

    Args:
        warehouse: with both tables.
        now: in UTC without a zone.

    Raises:
        RunError: if it can't be read.
    """
    dates = warehouse.source(growth_metrics.TABLE)
    ((last,),) = warehouse.ask([f"SELECT MAX(event_date) AS date FROM {dates}"])
    if last["date"] is None:
        return Freshness(warehouse.url, None, now)
    of_last_date = f"{warehouse.source(fct_events.TABLE)} WHERE event_date = DATE '{last['date']}'"
    ((found,),) = warehouse.ask(
        [f"SELECT UNIX_MICROS(MAX(event_time)) AS newest_us FROM {of_last_date}"]
    )
    newest_us = found["newest_us"]
    newest = None if newest_us is None else as_datetime(newest_us)
    return Freshness(warehouse.url, newest, now)
