"""How many are active, new and gone: small cases that are worked out by hand."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from tests.oracle import TABLES
from tests.oracle.conftest import query
from tests.oracle.events_by_hand import (
    FEBRUARY,
    JANUARY,
    MARCH,
    THREE_USERS,
    event,
    load,
)


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
