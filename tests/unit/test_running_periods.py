"""Periods that still run: which they are, that nobody judges them, and what a flush rewrites."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow.compute as pc
import pytest

from tests.support.tables import Row, codes, compute, csv_text, parse, row
from transforms.contract import Table
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.mart_changes import finish
from transforms.marts.registry import TABLES
from transforms.vocabulary import EVENT_TYPES

PERIODS = {"event_date", "activity_week", "activity_month", "cohort_month", "cohort_start"}
BY_PERIOD = [table for table in TABLES.values() if PERIODS & {*table.primary_key}]
CRITICAL, CHURN = "CRITICAL: Quick Ratio Below 1.0", "Focus on reducing churn before growth"


def daily(first: str, days: int, user: str, kind: str = "share") -> list[dict[str, str]]:
    start = datetime.fromisoformat(first)
    return [row((start + timedelta(days=day)).isoformat(), user, kind) for day in range(days)]


def months_of(rows: list[dict[str, str]]) -> list[tuple[str, str, bool]]:
    """Month, alert and whether it is complete."""
    table = compute([part.events for part in parse(csv_text(rows))])["quick_ratio_analysis"]
    return [
        (f"{month['activity_month']:%Y-%m}", month["alert_level"], month["is_complete"])
        for month in table.to_pylist()
    ]


# In October 20 users, in November 30; on 4 December 2 of them have been there.
GROWING = [
    *(event for user in range(20) for event in daily("2025-10-05", 3, f"u{user}")),
    *(event for user in range(5, 35) for event in daily("2025-11-05", 3, f"u{user}")),
    *(event for user in range(5, 7) for event in daily("2025-12-04", 1, f"u{user}")),
]


def test_a_month_that_has_just_begun_raises_no_alarm() -> None:
    assert months_of(GROWING) == [
        ("2025-10", "OK", True),
        ("2025-11", "OK", True),
        ("2025-12", "OK", False),
    ]


def test_an_alarm_stands_until_another_month_is_over() -> None:
    shrinking = [event for event in GROWING if int(event["user_id"][1:]) < 20]
    assert months_of(shrinking)[1:] == [("2025-11", CRITICAL, True), ("2025-12", CRITICAL, False)]
    tables = compute([part.events for part in parse(csv_text(shrinking))])
    advice = tables["quick_ratio_analysis"]["strategic_recommendation"].to_pylist()
    assert advice[1:] == [CHURN, CHURN]


def test_what_is_measured_of_a_running_month_stays_as_it_is() -> None:
    tables = compute([part.events for part in parse(csv_text(GROWING))])
    growth = tables["social_capital_growth_accounting"].to_pylist()[-1]
    assert (growth["churned_users"], growth["quick_ratio"]) == (28, 0.0)
    assert growth["growth_quality_category"] == "Declining"
    analysis = tables["quick_ratio_analysis"].to_pylist()[-1]
    assert analysis["quick_ratio_benchmark"] == "Critical (<0.8)"


def test_a_later_event_of_any_type_completes_a_period() -> None:
    """The dates are those of the history (rule 5), whichever types make a user active."""
    rows = [*daily("2025-10-31", 1, "ann", "like"), *daily("2025-11-01", 1, "ann", "share")]
    tables = compute([part.events for part in parse(csv_text(rows))], ["like"])
    for table in BY_PERIOD:
        rows_of = tables[table.name].to_pylist()
        if len(table.primary_key) == 1 and "activity_week" not in table.primary_key:
            assert [line["is_complete"] for line in rows_of] == [True, False], table.name
        # Of several rows for a period all say the same: both dates lie in one week.
        ends = {"activity_week": {False}, "cohort_start": {True, False}}
        expected = ends.get(table.primary_key[0], {True, False})
        assert {line["is_complete"] for line in rows_of} == expected, table.name


@pytest.mark.parametrize("table", BY_PERIOD, ids=lambda table: table.name)
def test_every_table_by_period_ends_with_whether_it_is_complete(table: Table) -> None:
    column = table.columns[-1]
    assert (column.name, column.required, column.never_null) == ("is_complete", False, True)


def sums(rows: list[dict[str, str]]) -> Counters:
    events = sort_events([part.events for part in parse(csv_text(rows))])
    return contributions(timelines(events), codes(EVENT_TYPES))


def changed(before: list[dict[str, str]], new: list[dict[str, str]]) -> dict[str, int]:
    """How many rows of each mart a flush of a stream writes."""
    found = finish(sums(before), sums(before + new), 0).changed
    return {name: rows.num_rows for name, rows in found.items() if name in TABLES}


KINDS = {"a": "share", "b": "like", "c": "share"}
HISTORY = [event for user in "abc" for event in daily("2025-09-20", 50, user, KINDS[user])]
# Rows for a date, beside those that have one: of windows, segments, event types.
EACH = {"engagement_distribution": 35, "growth_by_segment": 3, "events_by_type": 2}
EACH |= {"growth_by_segment_monthly": 3}
# Each cohort has a row more, of days, weeks and months, and of each kind of segment.
CURVES = "retention_curves"


def test_a_new_date_writes_itself_and_the_one_that_it_completes() -> None:
    written = changed(HISTORY, daily("2025-11-09", 1, "a"))
    curves = written.pop(CURVES)
    assert all(rows <= 2 * EACH.get(name, 1) for name, rows in written.items()), written
    # The cohort's new day and the one before; its week and its month for all and three segments.
    assert curves <= 2 + 2 * 4 + 2 * 4
    assert written["miles_analytics"] == 2


def test_a_new_month_writes_a_cell_and_the_one_before_of_each_cohort() -> None:
    history = [*HISTORY, *daily("2025-10-02", 39, "d"), *daily("2025-11-02", 8, "e")]
    written = changed(history, daily("2025-12-01", 1, "a"))
    assert written["retention_cohorts"] == 2 * 3
    assert written["quick_ratio_analysis"] == 2
    # The silent dates between, the new one, and the one that it completes.
    assert written["growth_metrics"] == 23


def test_a_repeated_date_changes_no_more_than_itself() -> None:
    new: list[Row] = [row("2025-11-08T23:00:00", "a", "like")]
    written = changed(HISTORY, [dict(event) for event in new])
    assert all(rows == 1 for rows in written.values()), written
    assert set(written) == {"growth_drivers", "events_by_type", "session_metrics"}


def test_new_users_of_every_source_are_counted() -> None:
    sources = ["organic", "paid", "social", "referral", "newsletter", "tiktok", ""]
    rows = [
        row("2025-11-08T10:00:00", f"u{number}", source=source)
        for number, source in enumerate(sources)
    ]
    (day,) = compute([part.events for part in parse(csv_text(rows))])["growth_drivers"].to_pylist()
    channels = ("organic", "paid", "social", "referral", "other")
    assert [day[f"new_{channel}_users"] for channel in channels] == [1, 1, 1, 1, 3]
    assert day["total_new_users"] == 7


def test_no_row_that_is_written_lacks_an_added_value() -> None:
    tables = compute([part.events for part in parse(csv_text(GROWING))])
    for table in BY_PERIOD:
        for column in table.columns:
            if column.never_null:
                assert pc.sum(tables[table.name][column.name].is_null()).as_py() == 0
    broken = {
        name: tables["growth_metrics"][name] for name in tables["growth_metrics"].column_names
    }
    broken["is_complete"] = pc.if_else(broken["is_complete"], True, None)
    with pytest.raises(ValueError, match="is_complete is never NULL but has NULL values"):
        TABLES["growth_metrics"].build(broken)
