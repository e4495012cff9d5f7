"""Rules that the checks of several tables share."""

from __future__ import annotations

from typing import Final

from transforms.contract import BOOLEAN, Column, added
from transforms.quality.declaration import AddsUp, Holds, References, Total

_MONTH: Final = "EXTRACT(YEAR FROM {0}) * 12 + EXTRACT(MONTH FROM {0})"

FIRST_OF_MONTH: Final = Holds(
    "activity_month_is_first_day",
    "EXTRACT(DAY FROM activity_month) = 1",
    "activity_month is the first day of its month",
)

NO_MISSING_MONTH: Final = Holds(
    "no_missing_month",
    f"{_MONTH.format('activity_month')} <= {_MONTH.format('previous_activity_month')} + 1",
    "every month from the first to the last has a row",
)

NO_MISSING_DATE: Final = Holds(
    "no_missing_date",
    "UNIX_DATE(event_date) <= UNIX_DATE(previous_event_date) + 1",
    "every date from the first to the last has a row",
)

# Of a table with a row for each date: they are those of growth_metrics, which refers to it in turn.
DATES: Final = References("event_date", "growth_metrics", "event_date")

# The users of all cohorts: each cohort stands in its period 0 once.
ALL_COHORTS: Final = Total(
    "retention_cohorts", "CASE WHEN period_number = 0 THEN cohort_size ELSE 0 END"
)


def is_complete(period: str, beyond: str) -> Column:
    """The column that says which periods are over (rule 10).

    Args:
        period: what a row is of.
        beyond: what must have an event, so that it is complete.
    """
    return added(
        "is_complete",
        BOOLEAN,
        f"Whether the {period} is over: {beyond} has an event. A running one is not judged",
        label="Over",
    )


def is_complete_of(table: str) -> Holds:
    """The column is that of another table, of the same key."""
    return Holds(
        f"is_complete_of_{table}",
        f"is_complete = {table}.is_complete",
        f"is_complete is that of {table}",
    )


def one_runs(table: str, period: str, first: str) -> AddsUp:
    """As many rows are incomplete as one for each stretch of periods.

    Args:
        table: the table.
        period: what a row is of.
        first: a condition that holds for the first row of a stretch alone.
    """
    return AddsUp(
        f"one_{period}_runs",
        (Total(table, "CASE WHEN is_complete THEN 0 ELSE 1 END"),),
        (Total(table, f"CASE WHEN {first} THEN 1 ELSE 0 END"),),
        f"one {period} is incomplete, and no more",
    )


def months(column: str) -> str:
    """SQL that counts months, from a DATE."""
    return _MONTH.format(column)


def month_after_month(first: str, later: str) -> str:
    """A condition of the first row, and another of a row whose month follows the one before."""
    follows = f"{months('activity_month')} = {months('previous_activity_month')} + 1"
    return f"CASE WHEN previous_activity_month IS NULL THEN {first} WHEN {follows} THEN {later} END"


def day_after_day(first: str, later: str) -> str:
    """A condition of the first row, and another of a row whose date follows the one before."""
    follows = "UNIX_DATE(event_date) = UNIX_DATE(previous_event_date) + 1"
    return f"CASE WHEN previous_event_date IS NULL THEN {first} WHEN {follows} THEN {later} END"


DATES_BEFORE_ARE_COMPLETE: Final = Holds(
    "dates_before_are_complete",
    day_after_day("TRUE", "previous_is_complete"),
    "a date before another is complete",
)

MONTHS_BEFORE_ARE_COMPLETE: Final = Holds(
    "months_before_are_complete",
    month_after_month("TRUE", "previous_is_complete"),
    "a month before another is complete",
)

IS_COMPLETE_DATE: Final = is_complete("date", "a later date")
IS_COMPLETE_MONTH: Final = is_complete("month", "a later month")
