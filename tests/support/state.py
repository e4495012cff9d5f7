"""State tables against the events beside them: plain loops and plain SQL, none of our kernels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.support.reading import reading
from transforms.kernels.timelines import Timelines
from transforms.state import user_timelines
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

EPOCH: Final = date(1970, 1, 1)
Told = dict[str, dict[str, Any]]


def by_plain_loop(events: Iterable[Mapping[str, Any]]) -> Told:
    """Of each user what a timeline holds, from rows of fct_events one by one."""
    found: Told = {}
    for event in sorted(events, key=lambda event: (event["event_time"], event["event_id"])):
        user = found.setdefault(
            event["user_id"],
            {
                "first_seen": event["event_time"],
                "first": (event["platform"], event["utm_source"], event["country"]),
                "days": defaultdict(lambda: defaultdict(int)),
                "sessions": [],
            },
        )
        if event["is_session_start"]:
            user["sessions"].append([event["event_time"], event["event_time"], 0])
        user["sessions"][-1][1] = user["last_seen"] = event["event_time"]
        user["sessions"][-1][2] += 1
        day = user["days"][(event["event_date"] - EPOCH).days]
        day[event["event_type"]] += 1
        day[event["platform"]] += 1
        if event["miles_amount"]:
            day[f"amount {event['event_type']}"] += event["miles_amount"]
    return found


def told(users: Timelines) -> Told:
    """The same of timelines."""
    found = {}
    for place, name in enumerate(users.user_id.to_pylist()):
        days = range(users.day_offsets[place], users.day_offsets[place + 1])
        sessions = range(users.sessions.offsets[place], users.sessions.offsets[place + 1])
        found[name] = {
            "first_seen": _moment(users.first_seen_us[place]),
            "last_seen": _moment(users.last_seen_us[place]),
            "sessions": [_session(users, session) for session in sessions],
            "first": (
                PLATFORMS[users.first_platform[place]],
                users.first_utm_source[place].as_py(),
                users.first_country[place].as_py(),
            ),
            "days": {int(users.date[day]): _day(users, day) for day in days},
        }
    return found


def _moment(time_us: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(microseconds=int(time_us))


def _session(users: Timelines, session: int) -> list[Any]:
    spans = users.sessions
    moments = (_moment(spans.start_us[session]), _moment(spans.end_us[session]))
    return [*moments, int(spans.events[session])]


def _day(users: Timelines, day: int) -> dict[str, int]:
    counts = {
        **dict(zip(EVENT_TYPES, users.type_events[day].tolist(), strict=True)),
        **dict(zip(PLATFORMS, users.platform_events[day].tolist(), strict=True)),
        "amount miles_earned": int(users.miles_earned[day]),
        "amount miles_redeemed": int(users.miles_redeemed[day]),
    }
    return {name: count for name, count in counts.items() if count}


def mismatches(database: Path, active_types: Sequence[str] = EVENT_TYPES) -> list[str]:
    """In what the state of a DuckDB file is not that of the events in it; nothing where it fits."""
    with reading(database) as connection:
        return [*_of_timelines(connection), *_of_counters(connection, active_types)]


def _of_timelines(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    events = connection.sql("FROM fct_events").to_arrow_table().to_pylist()
    rows = connection.sql("FROM user_timelines").to_arrow_table()
    if told(user_timelines.timelines_of(rows)) != by_plain_loop(events):
        yield "user_timelines"


def _of_counters(
    connection: duckdb.DuckDBPyConnection, active_types: Sequence[str]
) -> Iterator[str]:
    active = ", ".join(f"'{name}'" for name in active_types)
    of_days = {f"events_{name}": f"count(*) FILTER (event_type = '{name}')" for name in EVENT_TYPES}
    of_days |= {f"events_{name}": f"count(*) FILTER (platform = '{name}')" for name in PLATFORMS}
    of_days |= {
        f"users_{name}": f"count(DISTINCT user_id) FILTER (event_type = '{name}')"
        for name in EVENT_TYPES
    }
    of_days |= {
        name: f"coalesce(sum(miles_amount) FILTER (event_type = '{name}'), 0)::BIGINT"
        for name in ("miles_earned", "miles_redeemed")
    }
    parts = [
        *(
            f"SELECT 'daily' AS grid, event_date - DATE '1970-01-01' AS key, '{name}' AS counter, "
            f"{value} AS value FROM fct_events GROUP BY ALL"
            for name, value in of_days.items()
        ),
        "SELECT 'daily', date - DATE '1970-01-01', 'active', count(*) FROM active GROUP BY ALL",
        "SELECT 'daily', date - DATE '1970-01-01', 'new', count(*) FROM firsts GROUP BY ALL",
        "SELECT 'monthly', number, 'active', count(*) FROM months GROUP BY ALL",
        "SELECT 'monthly', number, 'new', count(*) FILTER (period = 0) FROM months GROUP BY ALL",
        "SELECT 'weekly', (date - DATE '1969-12-29') // 7, 'active', count(DISTINCT user_id) "
        "FROM active GROUP BY ALL",
        "SELECT 'weekly', (date - DATE '1969-12-29') // 7, 'new', count(*) FROM firsts "
        "GROUP BY ALL",
        "SELECT 'cohorts', (number - period) * 4096 + period, 'active', count(*) FROM months "
        "GROUP BY ALL",
    ]
    names = ", ".join(f"'{name}'" for name in (*of_days, "active", "new"))
    # What the other grids hold is compared by the marts that are made of each of them alone.
    held = (
        f"SELECT grid, key, counter, value FROM growth_counters WHERE counter IN ({names}) "
        "AND grid IN ('daily', 'monthly', 'weekly', 'cohorts')"
    )
    expected = f"SELECT * FROM ({' UNION ALL '.join(parts)}) WHERE value <> 0"
    before = f"""
        WITH active AS (
            SELECT DISTINCT user_id, event_date AS date FROM fct_events
            WHERE event_type IN ({active})
        ), firsts AS (
            SELECT user_id, min(date) AS date FROM active GROUP BY user_id
        ), months AS (
            SELECT DISTINCT user_id, datediff('month', DATE '1970-01-01', active.date) AS number,
                datediff('month', firsts.date, active.date) AS period
            FROM active JOIN firsts USING (user_id)
        ), expected AS ({expected}), held AS ({held})
    """
    for sign, left, right in (("+", "held", "expected"), ("-", "expected", "held")):
        rows = connection.execute(f"{before} FROM {left} EXCEPT ALL FROM {right}").fetchall()
        yield from (f"growth_counters {sign} {row}" for row in rows)
