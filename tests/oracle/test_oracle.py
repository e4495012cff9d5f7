"""Cases small enough to work out by hand, so that the oracle answers to the contract."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from tests.oracle import TABLES, build_from_events
from tests.oracle.conftest import query

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


def test_growth_accounting(connection: duckdb.DuckDBPyConnection) -> None:
    # January {a, b}, February {b, c}, March {a, c}.
    load(connection, THREE_USERS)
    assert query(
        connection,
        "SELECT * EXCLUDE (calculated_at) FROM social_capital_growth_accounting "
        "ORDER BY activity_month",
    ) == [
        (JANUARY, 2, 2, 0, 0, 0, None, None, "Unknown", 2, True),
        (FEBRUARY, 2, 1, 1, 0, 1, 50.0, 1.0, "Typical Consumer", 2, True),
        (MARCH, 2, 0, 1, 1, 1, 50.0, 1.0, "Typical Consumer", 2, False),
    ]


def test_quick_ratio_analysis(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    average, healthy = "Average (40-60%)", "Healthy (1.0-1.5)"
    optimize = "Optimize current growth strategy"
    assert query(connection, "FROM quick_ratio_analysis ORDER BY activity_month") == [
        (JANUARY, None, None, "OK", None, None, None, "Early Stage", optimize, True),
        (FEBRUARY, 1.0, 1.0, "OK", 50, average, healthy, "Early Stage", optimize, True),
        # Nobody was new in March; but it runs, and is not judged.
        (MARCH, 1.0, 1.0, "OK", 50, average, healthy, "Early Stage", optimize, False),
    ]


def test_cohort_triangle(connection: duckdb.DuckDBPyConnection) -> None:
    # Of January's a and b, b comes back in February and a in March.
    load(connection, THREE_USERS)
    assert query(connection, "FROM retention_cohorts ORDER BY cohort_month, period_number") == [
        (JANUARY, 0, JANUARY, 2, 2, 100.0, True),
        (JANUARY, 1, FEBRUARY, 1, 2, 50.0, True),
        (JANUARY, 2, MARCH, 1, 2, 50.0, False),
        (FEBRUARY, 0, FEBRUARY, 1, 1, 100.0, True),
        (FEBRUARY, 1, MARCH, 1, 1, 100.0, False),
    ]


def test_growth_metrics(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    rows = {
        row[0]: row[1:]
        for row in query(
            connection,
            "SELECT event_date, daily_active_users, new_users, retained_users, "
            "resurrected_users, churned_users, dau_growth, new_users_pct, daily_quick_ratio, "
            "day_over_day_retention_pct, daily_growth_quality, activity_trend_7d "
            "FROM growth_metrics",
        )
    }
    assert len(rows) == 2 + 29 + 2
    # Until 1 February: {a, b}, {a}, and {b, c} with b two days after 30 January.
    assert rows[date(2024, 1, 30)] == (2, 2, 0, 0, 0, None, 100.0, None, None, "Unknown", "Stable")
    assert rows[date(2024, 1, 31)] == (
        1, 0, 1, 0, 1, -1, 0.0, 0.0, 50.0, "Declining", "Trending Down",
    )  # fmt: skip
    assert rows[date(2024, 2, 1)] == (2, 1, 0, 1, 1, 1, 50.0, 2.0, 0.0, "Strong", "Trending Up")
    # The first silent day still loses b and c; the second has nobody to lose.
    assert rows[date(2024, 2, 2)] == (
        0, 0, 0, 0, 2, -2, None, 0.0, 0.0, "Declining", "Trending Down",
    )  # fmt: skip
    assert rows[date(2024, 2, 3)] == (
        0, 0, 0, 0, 0, 0, None, None, None, "Unknown", "Trending Down",
    )  # fmt: skip
    # Seven silent days before, and one more.
    assert rows[date(2024, 2, 20)][-1] == "Stable"


def test_rolling_users(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    rows = {
        row[0]: row[1:]
        for row in query(
            connection,
            "SELECT event_date, weekly_active_users_7d, active_users_28d, "
            "monthly_active_users_30d, dau_wau_stickiness, wau_mau_stickiness FROM growth_metrics",
        )
    }
    assert rows[date(2024, 1, 31)] == (2, 2, 2, 50.0, 100.0)
    assert rows[date(2024, 2, 6)][:3] == (3, 3, 3)  # since 31 January: a, b, c
    assert rows[date(2024, 2, 7)][:3] == (2, 3, 3)  # since 1 February: b, c
    assert rows[date(2024, 2, 8)] == (0, 3, 3, None, 0.0)
    assert rows[date(2024, 2, 27)][:3] == (0, 3, 3)
    assert rows[date(2024, 2, 28)][:3] == (0, 2, 3)
    assert rows[date(2024, 2, 29)][:3] == (0, 0, 3)
    assert rows[date(2024, 3, 1)][:3] == (1, 1, 3)  # a again; b and c on 1 February
    assert rows[date(2024, 3, 2)] == (2, 2, 2, 50.0, 100.0)


def test_moving_averages_take_the_rows_that_exist(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    rows = {
        row[0]: row[1:]
        for row in query(
            connection,
            "SELECT event_date, weekly_avg_dau, monthly_avg_dau, avg_7d_resurrections, "
            "avg_7d_resurrection_pct FROM growth_metrics "
            "JOIN user_resurrection_analysis USING (event_date)",
        )
    }
    assert rows[date(2024, 1, 30)] == (2.0, 2.0, 0.0, 0.0)
    # DAU 2, 1, 2; resurrections 0, 0, 1 and so 0 %, 0 %, 50 %.
    assert rows[date(2024, 2, 1)] == (5 / 3, 5 / 3, 1 / 3, pytest.approx(50 / 3))
    # A silent day counts in the mean of DAU, and has no percentage to count.
    assert rows[date(2024, 2, 2)] == (5 / 4, 5 / 4, 1 / 4, pytest.approx(50 / 3))
    assert rows[date(2024, 2, 8)] == (0.0, 0.5, 0.0, None)


def test_resurrections(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    rows = {row[0]: row[1:11] for row in query(connection, "FROM user_resurrection_analysis")}
    assert rows[date(2024, 1, 31)] == (
        0, 0, 0, 0, 0, 0.0, None, 0.0, "Poor", "No Resurrections",
    )  # fmt: skip
    assert rows[date(2024, 2, 1)] == (
        1, 1, 0, 0, 0, 50.0, 2.0, 50.0, "Excellent", "Quick Return Focus",
    )  # fmt: skip
    assert rows[date(2024, 2, 2)] == (
        0, 0, 0, 0, 0, None, None, None, None, "No Resurrections",
    )  # fmt: skip
    # From 31 January to 1 March are 30 days.
    assert rows[date(2024, 3, 1)] == (
        1, 0, 1, 0, 0, 100.0, 30.0, 200.0, "Excellent", "Balanced Recovery",
    )  # fmt: skip


def test_dormancy_and_stage_limits(connection: duckdb.DuckDBPyConnection) -> None:
    # All come back on one day, so many days after their first.
    day = date(2024, 6, 1)
    gaps = (1, 2, 7, 8, 30, 31, 90, 91)
    load(
        connection,
        [row for gap in gaps for row in noon(f"u{gap}", str(day - timedelta(days=gap)), str(day))],
    )
    resurrections = query(
        connection, f"FROM user_resurrection_analysis WHERE event_date = '{day}'"
    )[0]
    # 2 + 7 + 8 + 30 + 31 + 90 + 91 = 259 days; 2 + 2 * 2 + 3 * 2 + 4 * 1 = 16 points.
    assert resurrections[1:11] == (
        7, 2, 2, 2, 1, 700 / 8, 259 / 7, 1600 / 8, "Excellent", "Long-term Recovery",
    )  # fmt: skip
    quality = query(connection, f"FROM retention_quality_framework WHERE event_date = '{day}'")[0]
    # 100 * (3 * 1 + 2 * 2 + 5) / (3 * 8) = 50.
    assert quality[1:-1] == (8, 3, 2, 2, 1, 1, 12.5, 50, "Poor", "Low Engagement")


def test_retention_quality_of_a_silent_day(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, THREE_USERS)
    rows = {row[0]: row[1:-1] for row in query(connection, "FROM retention_quality_framework")}
    assert rows[date(2024, 1, 31)] == (
        1, 1, 0, 0, 0, 1, 100.0, 100, "Excellent", "High Engagement",
    )  # fmt: skip
    assert rows[date(2024, 2, 2)] == (0, 0, 0, 0, 0, 0, None, None, None, None)
    # 100 * 1 / 3 is rounded down.
    assert rows[date(2024, 3, 1)] == (1, 0, 0, 1, 0, 0, 0.0, 33, "Poor", "Low Engagement")


def flows(*months: tuple[int, int]) -> list[Event]:
    """Four users in January 2024, then in each month some leave for good and new ones come."""
    present = [f"first{number}" for number in range(4)]
    events = [event("2024-01-15", user) for user in present]
    for month, (churned, new) in enumerate(months, start=2):
        present = present[churned:] + [f"new{month}-{number}" for number in range(new)]
        events += [event(f"2024-{month:02}-15", user) for user in present]
    # Somebody by whom the last of the months is over.
    return [*events, event(f"2024-{len(months) + 2:02}-01", "later")]


@pytest.mark.parametrize(
    ("months", "alert", "score", "benchmark"),
    [
        # From 1.5 to 1.2 is a drop of 0.3 and not of more, whatever doubles make of it.
        ([(2, 3), (5, 6)], "OK", 60, "Healthy (1.0-1.5)"),
        ([(2, 3), (5, 5)], "WARNING: Quick Ratio Dropped Below 1.2", 50, "Healthy (1.0-1.5)"),
        ([(1, 2), (2, 3)], "WARNING: Quick Ratio Declined >0.3 Points", 75, "Strong (1.5-2.0)"),
        ([(2, 3), (5, 4)], "CRITICAL: Quick Ratio Below 1.0", 40, "Concerning (0.8-1.0)"),
        ([(4, 5), (4, 1)], "CRITICAL: Quick Ratio Below 1.0", 13, "Critical (<0.8)"),
        ([(1, 0), (1, 9)], "OK", 100, "Top Tier (2.0+)"),
        # Nobody leaves: there is no ratio.
        ([(2, 3), (0, 9)], "OK", None, None),
    ],
)
def test_alerts(
    connection: duckdb.DuckDBPyConnection,
    months: list[tuple[int, int]],
    alert: str,
    score: int | None,
    benchmark: str | None,
) -> None:
    load(connection, flows(*months))
    assert query(
        connection,
        "SELECT alert_level, growth_quality_score, quick_ratio_benchmark FROM quick_ratio_analysis "
        "WHERE is_complete ORDER BY activity_month DESC LIMIT 1",
    ) == [(alert, score, benchmark)]
    # All have left but one, and the month has just begun.
    assert query(
        connection, "SELECT alert_level FROM quick_ratio_analysis WHERE NOT is_complete"
    ) == [(alert,)]


def test_a_single_month_runs_and_is_not_judged(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, noon("a", "2024-01-30", "2024-01-31"))
    assert query(
        connection,
        "SELECT alert_level, strategic_recommendation, is_complete FROM quick_ratio_analysis",
    ) == [("OK", "Optimize current growth strategy", False)]
    assert query(
        connection, "SELECT event_date, is_complete FROM growth_metrics ORDER BY event_date"
    ) == [(date(2024, 1, 30), True), (date(2024, 1, 31), False)]


def test_business_stage(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, noon("a", "2022-01-31", "2024-03-01"))
    rows = query(
        connection,
        "SELECT business_stage, count(*), min(activity_month) FROM quick_ratio_analysis "
        "GROUP BY business_stage ORDER BY min(activity_month)",
    )
    # 26 months after January 2022 is March 2024; silent months have rows too.
    assert rows == [
        ("Early Stage", 6, date(2022, 1, 1)),
        ("Growth Stage", 19, date(2022, 7, 1)),
        ("Mature Stage", 2, date(2024, 2, 1)),
    ]


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


def test_growth_drivers(connection: duckdb.DuckDBPyConnection) -> None:
    load(
        connection,
        [
            event("2024-05-01 10:00", "a", "miles_earned", 12, "iOS", "paid"),
            event("2024-05-01 10:01", "a", "miles_redeemed", 10, "Web", "social"),
            event("2024-05-01 10:02", "a", "share", None, "iOS"),
            event("2024-05-01 10:03", "a", "like", None, "iOS"),
            event("2024-05-01 11:00", "b", "reward_search", None, "Android", "email"),
            event("2024-05-03 11:00", "b", "miles_earned", 3, "Android"),
        ],
    )
    rows = query(
        connection, "SELECT * EXCLUDE (calculated_at) FROM growth_drivers ORDER BY event_date"
    )
    # 12 is not more than 1.2 times 10. (30 + 20 + 20 + 15 + 15) / 2 = 50. Email is another channel.
    assert rows[0] == (
        date(2024, 5, 1), 2, 5,
        12, 10, 2, 1, 1, 1, 1, 1.2, 50.0, 50.0,
        1, 1, 1, 1, 1, 1, 50.0, 50.0, 50.0,
        1, 1, 1, 50.0, 50.0, 50.0, 3.0, 1.0, 1.0,
        0, 1, 0, 0, 2,
        "Stable", "High Social", 50, 12.0, 2.0, 1, True,
    )  # fmt: skip
    assert rows[1] == (
        date(2024, 5, 2), 0, 0,
        0, 0, 0, 0, 0, 0, 0, None, None, None,
        0, 0, 0, 0, 0, 0, None, None, None,
        0, 0, 0, None, None, None, None, None, None,
        0, 0, 0, 0, 0,
        "Balanced", None, None, 6.0, 1.0, 0, True,
    )  # fmt: skip
    assert rows[2][36:] == ("Healthy Growth", "Low Social", 30, 5.0, 2 / 3, 0, False)
    # A mean of 12 and 0 and 3 is 5; of 10, 0 and 0 it is 3.33.
    assert query(
        connection, "SELECT * EXCLUDE (calculated_at) FROM miles_analytics ORDER BY event_date"
    ) == [
        (date(2024, 5, 1), 12, 10, 2, 1, 1, 1, 1, 12, 10, 12, 10, True),
        (date(2024, 5, 2), 0, 0, 0, 0, 0, 0, 0, 12, 10, 6, 5, True),
        (date(2024, 5, 3), 3, 0, 3, 1, 0, 1, 0, 15, 10, 5, 3, False),
    ]


def test_half_miles_are_rounded_up(connection: duckdb.DuckDBPyConnection) -> None:
    load(
        connection,
        [event("2024-05-01", "a", "miles_earned", 5), event("2024-05-02", "a", "share")],
    )
    assert query(
        connection, "SELECT avg_7d_miles_earned FROM miles_analytics ORDER BY event_date"
    ) == [(5,), (3,)]


def test_active_event_types(connection: duckdb.DuckDBPyConnection) -> None:
    # Only shares count: a from 3 May on, b never.
    load(
        connection,
        [
            event("2024-05-01 10:00", "a", "like", utm_source="paid"),
            event("2024-05-03 10:00", "a", "share", utm_source="social"),
            event("2024-05-03 10:05", "b", "miles_earned", 7, utm_source="organic"),
            event("2024-06-01 10:00", "b", "like"),
        ],
        active_event_types=["share"],
    )
    assert query(
        connection,
        "SELECT event_date, daily_active_users, new_users, weekly_active_users_7d "
        "FROM growth_metrics WHERE event_date <= '2024-05-03' ORDER BY event_date",
    ) == [
        (date(2024, 5, 1), 0, 0, 0),
        (date(2024, 5, 2), 0, 0, 0),
        (date(2024, 5, 3), 1, 1, 1),
    ]
    assert query(connection, "SELECT count(*) FROM growth_metrics") == [(32,)]
    assert query(connection, "FROM retention_cohorts ORDER BY period_number") == [
        (date(2024, 5, 1), 0, date(2024, 5, 1), 1, 1, 100.0, True),
        (date(2024, 5, 1), 1, date(2024, 6, 1), 0, 1, 0.0, False),
    ]
    assert query(
        connection,
        "SELECT daily_active_users, total_daily_events, daily_miles_earned, web_users, "
        "web_user_pct, new_social_users, new_organic_users, total_new_users FROM growth_drivers "
        "WHERE event_date = '2024-05-03'",
    ) == [(1, 2, 7, 2, 200.0, 0, 1, 1)]
    assert query(connection, "SELECT first_utm_source FROM dim_users ORDER BY user_id") == [
        ("paid",),
        ("organic",),
    ]


def test_no_events(connection: duckdb.DuckDBPyConnection) -> None:
    load(connection, [])
    assert [query(connection, f"FROM {table}") for table in TABLES] == [[] for _ in TABLES]
