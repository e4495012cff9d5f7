"""Users over a rate of events, as a plain loop finds them in source rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.support.tables import Row

Event = tuple[datetime, tuple[str, ...]]


class Limits(NamedTuple):
    """How many events a user may have on a date, and in a session."""

    day: int | None = None
    session: int | None = None
    zone: str = "UTC"
    gap_minutes: int = 30

    @property
    def rules(self) -> str:
        """The same as a file of rules."""
        lines = [f"[sessions]\ngap_minutes = {self.gap_minutes}", "[exclude]"]
        if self.day is not None:
            lines.append(f"events_per_day = {self.day}")
        if self.session is not None:
            lines.append(f"events_per_session = {self.session}")
        return "\n".join(lines)


def robots(rows: Sequence[Row], limits: Limits) -> set[str]:
    """Who has more distinct events than that."""
    events: dict[str, set[Event]] = defaultdict(set)
    for item in rows:
        texts = [text.strip().lower() for name, text in item.items() if name != "event_time"]
        category = item["transaction_category"].strip()
        events[item["user_id"].strip()].add((_time(item), (*texts, category)))
    return {user for user, found in events.items() if _is_over(sorted(found), limits)}


def let_in(rows: Sequence[Row], limits: Limits) -> list[Row]:
    """The rows of all others."""
    left_out = robots(rows, limits)
    return [item for item in rows if item["user_id"].strip() not in left_out]


def _is_over(events: list[Event], limits: Limits) -> bool:
    zone, gap = ZoneInfo(limits.zone), timedelta(minutes=limits.gap_minutes)
    dates = Counter(at.astimezone(zone).date() for at, _ in events)
    sessions = [0]
    for number, (at, _) in enumerate(events):
        if number and at - events[number - 1][0] >= gap:
            sessions.append(0)
        sessions[-1] += 1
    return max(dates.values()) > (limits.day or len(events)) or max(sessions) > (
        limits.session or len(events)
    )


def _time(item: Row) -> datetime:
    return datetime.fromisoformat(item["event_time"].strip().removesuffix("Z") + "+00:00")
