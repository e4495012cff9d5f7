"""How time is reckoned: in which zone dates are, when weeks begin, and when a session has ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
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
        return self._unlike(
            PLAIN,
            f"dates are in {self.zone}",
            f"weeks begin on {self.week_start.title()}",
            f"sessions end after {self.session_gap_minutes} minutes",
            f"events begin on {self.earliest}",
        )

    def beside(self, other: Reckoning) -> str:
        """What differs from another one, in words; "" where nothing does."""
        return self._unlike(
            other,
            f"dates in {self.zone}",
            f"weeks from {self.week_start.title()}",
            f"sessions that end after {self.session_gap_minutes} minutes",
            f"events from {self.earliest} on",
        )

    def _unlike(self, other: Reckoning, *words: str) -> str:
        """Of words for each attribute, in their order, those of what differs from another one."""
        differs = (getattr(self, each.name) != getattr(other, each.name) for each in fields(self))
        return ", ".join(part for part, does in zip(words, differs, strict=True) if does)


PLAIN: Final = Reckoning()
