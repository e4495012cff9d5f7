"""What statements that break tables are made of."""

from __future__ import annotations

from typing import Final

from transforms.marts.registry import TABLES

GM: Final = "growth_metrics"
RQF: Final = "retention_quality_framework"
URA: Final = "user_resurrection_analysis"
GD: Final = "growth_drivers"
MA: Final = "miles_analytics"
SOCIAL: Final = "social_capital_growth_accounting"
QRA: Final = "quick_ratio_analysis"
SM: Final = "session_metrics"
DAILY: Final = (GM, RQF, URA, GD, MA, SM)

# Tables that say again by week, segment, curve or type what others say: what is broken there does
# not add up to these any more, and their own columns hang together so closely that one is rarely
# wrong alone.
AGAIN: Final = (
    "weekly_growth_accounting",
    "growth_by_segment",
    "growth_by_segment_monthly",
    "retention_curves",
    "engagement_distribution",
    "events_by_type",
    SM,
)

# Two dates on which, and before which, nobody was active; a busy one; and a month like the first.
SILENT, BUSY = "DATE '2024-04-20'", "DATE '2024-02-10'"
SILENT_MONTH = "DATE '2024-04-01'"
SILENT_OF = {"activity_month": SILENT_MONTH, "activity_week": "DATE '2024-04-15'"}

EARLY = "DATE '2001-01-01'"
MARCH = "DATE '2024-03-01'"


def pct(part: str, whole: str) -> str:
    return f"100 * ({part}) / NULLIF({whole}, 0)"


def at(table: str, where: str, *sets: str) -> str:
    """An update of the first row for which a condition holds."""
    key = ", ".join(TABLES[table].primary_key or (TABLES[table].columns[0].name,))
    first = f"SELECT rowid FROM {table} WHERE {where} ORDER BY {key} LIMIT 1"
    return f"UPDATE {table} SET {', '.join(sets)} WHERE rowid = ({first})"


def again(table: str, where: str, **values: str) -> str:
    """An insert of a copy of the first row for which a condition holds, with other values."""
    shown = ", ".join(f"{value} AS {name}" for name, value in values.items())
    replaced = f" REPLACE ({shown})" if shown else ""
    key = ", ".join(TABLES[table].primary_key)
    return (
        f"INSERT INTO {table} SELECT *{replaced} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1"
    )


def without(table: str, where: str) -> str:
    return f"DELETE FROM {table} WHERE {where}"


def day(table: str, date: str, *sets: str) -> str:
    return at(table, f"event_date = {date}", *sets)


def newcomer(date: str, more: int) -> str:
    """A date has more or fewer new users of no channel."""
    return day(
        GD,
        date,
        f"new_other_users = new_other_users + {more}",
        f"total_new_users = total_new_users + {more}",
    )


# A date with a new user of no channel.
NEWCOMER = f"(SELECT max(event_date) FROM {GD} WHERE new_other_users > 0)"
