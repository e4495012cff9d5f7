"""Events few enough to work out by hand what follows: the oracle answers to the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import duckdb

from tests.oracle import build_from_events

Event = tuple[Any, ...]


def event(
    time: str,
    user: str,
    event_type: str = "share",
    miles: int | None = None,
    platform: str = "Web",
    utm_source: str | None = None,
) -> Event:
    return (datetime.fromisoformat(time), user, event_type, None, miles, platform, utm_source, None)


def noon(user: str, *dates: str) -> list[Event]:
    return [event(f"{day} 12:00", user) for day in dates]


def load(
    connection: duckdb.DuckDBPyConnection,
    events: Sequence[Event],
    active_event_types: Sequence[str] | None = None,
) -> None:
    connection.execute(
        "CREATE TABLE events (event_time TIMESTAMP, user_id VARCHAR, event_type VARCHAR, "
        "transaction_category VARCHAR, miles_amount BIGINT, platform VARCHAR, "
        "utm_source VARCHAR, country VARCHAR)"
    )
    if events:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(events))
    build_from_events(connection, "events", active_event_types)


# Users a, b and c from 30 January to 2 March 2024. February has 29 days, and all but its first
# are silent.
THREE_USERS = [
    *noon("a", "2024-01-30", "2024-01-31", "2024-03-01"),
    *noon("b", "2024-01-30", "2024-02-01"),
    *noon("c", "2024-02-01", "2024-03-02"),
]
JANUARY, FEBRUARY, MARCH = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
