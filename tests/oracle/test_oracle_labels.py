"""What figures are called: small cases that are worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pytest

from tests.oracle.conftest import query
from tests.oracle.events_by_hand import (
    THREE_USERS,
    Event,
    event,
    load,
    noon,
)


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
