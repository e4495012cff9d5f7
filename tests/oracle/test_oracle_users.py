"""Events in sessions, and users: small cases that are worked out by hand."""

from __future__ import annotations

from datetime import date, datetime

import duckdb

from tests.oracle import build_from_events
from tests.oracle.conftest import query
from tests.oracle.events_by_hand import (
    event,
    load,
)


def test_sessions(connection: duckdb.DuckDBPyConnection) -> None:
    load(
        connection,
        [
            event("2024-05-01 23:40:00", "a"),
            event("2024-05-02 00:09:59.999999", "a"),  # a microsecond under 30 minutes, next day
            event("2024-05-02 00:39:59.999999", "a"),  # 30 minutes: a new session
            event("2024-05-02 00:39:59.999999", "a", "like"),
            event("2024-05-02 00:39:59.999999", "a", "like"),  # a redelivery
            event("2024-05-02 00:50:00", "b"),
            event("2024-05-02 00:50:00", "a"),
        ],
    )
    rows = query(
        connection,
        "SELECT user_id, event_time::TIME::VARCHAR, is_session_start, event_sequence_in_session, "
        "dense_rank() OVER (ORDER BY session_id), event_date FROM fct_events "
        "ORDER BY user_id, event_time, event_sequence_in_session",
    )
    assert [row[:4] for row in rows] == [
        ("a", "23:40:00", 1, 1),
        ("a", "00:09:59.999999", 0, 2),
        ("a", "00:39:59.999999", 1, 1),
        ("a", "00:39:59.999999", 0, 2),
        ("a", "00:50:00", 0, 3),
        ("b", "00:50:00", 1, 1),
    ]
    sessions = [row[4] for row in rows]
    assert sessions[0] == sessions[1]
    assert sessions[2] == sessions[3] == sessions[4]
    assert len(set(sessions)) == 3
    assert [row[5].day for row in rows] == [1, 2, 2, 2, 2, 2]
    assert query(connection, "SELECT n FROM input_rows") == [(7,)]


def test_given_ids_order_the_events_of_an_instant(connection: duckdb.DuckDBPyConnection) -> None:
    instant = "2024-05-01 12:00"
    load(
        connection,
        [
            event(instant, "a", "like", utm_source="paid"),
            event(instant, "a", "share"),
            event(instant, "a", "reward_search", utm_source="social"),
        ],
    )
    connection.execute(
        "CREATE TABLE ids AS SELECT *, CASE event_type WHEN 'share' THEN 'a' WHEN 'like' THEN 'b' "
        "ELSE 'c' END AS event_id FROM events"
    )
    build_from_events(connection, "events", event_ids="ids")
    assert query(
        connection,
        "SELECT event_type, event_id, event_sequence_in_session FROM fct_events ORDER BY event_id",
    ) == [("share", "a", 1), ("like", "b", 2), ("reward_search", "c", 3)]
    # The first event has no source, and no later event lends it one.
    assert query(connection, "SELECT first_utm_source FROM dim_users") == [(None,)]
    assert query(connection, "SELECT total_new_users, new_other_users FROM growth_drivers") == [
        (1, 1)
    ]


def test_users(connection: duckdb.DuckDBPyConnection) -> None:
    load(
        connection,
        [
            event("2024-05-01 23:00", "a", "miles_earned", 100, "iOS", "paid"),
            event("2024-05-02 01:00", "a", "miles_redeemed", 130, "Web"),
            event("2024-05-03 01:00", "b", "miles_redeemed", 0),
            event("2024-05-03 02:00", "b", "share"),
            event("2024-05-03 03:00", "b", "like"),
        ],
    )
    assert query(
        connection,
        "SELECT * EXCLUDE (first_seen_at, last_seen_at, updated_at) FROM dim_users "
        "ORDER BY user_id",
    ) == [
        (
            "a", date(2024, 5, 1), date(2024, 5, 2), 1, "iOS", "paid", None,
            100, 130, -30, True, 1, 1, 0, 0, 0, 2, 2,
        ),
        (
            "b", date(2024, 5, 3), date(2024, 5, 3), 0, "Web", None, None,
            0, 0, 0, False, 0, 1, 1, 1, 0, 1, 1,
        ),
    ]  # fmt: skip
    assert query(connection, "SELECT * EXCLUDE (flagged_at) FROM users_with_negative_miles") == [
        ("a", datetime(2024, 5, 1, 23), datetime(2024, 5, 2, 1), 100, 130, -30, 30)
    ]
