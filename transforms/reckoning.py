"""How time is reckoned: in which zone dates are, when weeks begin, and when a session has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

UTC: Final = "UTC"
# Of a session's gap, in minutes: of two within one, no whole day may lie between.
LONGEST_GAP: Final = 480
# Stored dates count from 1970-01-01, which is not over yet in some zones when it is in UTC.
FIRST_EARLIEST: Final = date(1970, 1, 2)
WeekStart: TypeAlias = Literal["monday", "sunday"]


@dataclass(frozen=True)
class Reckoning:
    """How the time of events is reckoned; `transforms.kernels.calendar` does it.

    Attributes:
        zone: the time zone of dates, weeks and months, as `zones.named_zone` gives it.
        week_start: the day with which a week begins.
        session_gap_minutes: a session ends where the user's next event is so much later, or more.
        earliest: an event of an earlier date, in UTC, is none.
    """

    zone: str = UTC
    week_start: WeekStart = "monday"
    session_gap_minutes: int = 30
    earliest: date = date(2000, 1, 1)

    @property
    def session_gap_us(self) -> int:
        """The shortest pause between two sessions of a user, in microseconds."""
        return self.session_gap_minutes * 60_000_000

    @property
    def said(self) -> str:
        """What differs from the usual, in words; "" where nothing does."""
        usual = Reckoning()
        parts = {
            f"dates are in {self.zone}": self.zone != usual.zone,
            f"weeks begin on {self.week_start.title()}": self.week_start != usual.week_start,
            f"sessions end after {self.session_gap_minutes} minutes": (
                self.session_gap_minutes != usual.session_gap_minutes
            ),
            f"events begin on {self.earliest}": self.earliest != usual.earliest,
        }
        return ", ".join(part for part, differs in parts.items() if differs)

    def beside(self, other: Reckoning) -> str:
        """What differs from another one, in words; "" where nothing does."""
        parts = {
            f"dates in {self.zone}": self.zone != other.zone,
            f"weeks from {self.week_start.title()}": self.week_start != other.week_start,
            f"sessions that end after {self.session_gap_minutes} minutes": (
                self.session_gap_minutes != other.session_gap_minutes
            ),
            f"events from {self.earliest} on": self.earliest != other.earliest,
        }
        return ", ".join(part for part, differs in parts.items() if differs)


PLAIN: Final = Reckoning()
