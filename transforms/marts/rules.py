"""Rules that the checks of several tables share."""

from __future__ import annotations

from typing import Final

from transforms.checks import Holds, References, Total

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
