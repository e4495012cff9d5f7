"""What the report reads: rows of marts, which are sums over users and name nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

import pyarrow as pa

from pipeline.errors import RunError
from pipeline.paths import typed_command
from pipeline.warehouse import TableReader
from pipeline.warehouse.noted_settings import reckoning_of_tables
from pipeline.warehouse.presence import refuse_missing
from transforms.contract import Table
from transforms.marts import (
    engagement_distribution,
    events_by_type,
    growth_by_segment_monthly,
    growth_drivers,
    growth_metrics,
    miles_analytics,
    quick_ratio_analysis,
    retention_cohorts,
    retention_curves,
    retention_quality_framework,
    session_metrics,
    social_capital_growth_accounting,
    user_resurrection_analysis,
)
from transforms.reckoning import PLAIN, Reckoning, WeekStart

Row: TypeAlias = Mapping[str, Any]

# Three years of dates keep the page below 2 MB, and show each season three times.
DATES_SHOWN: Final = 1_096
MONTHS_SHOWN: Final = 60
_MONTHLY: Final = (social_capital_growth_accounting.TABLE, quick_ratio_analysis.TABLE)
_DAILY: Final = (
    growth_metrics.TABLE,
    retention_quality_framework.TABLE,
    user_resurrection_analysis.TABLE,
    growth_drivers.TABLE,
    miles_analytics.TABLE,
    session_metrics.TABLE,
)
_NEEDED: Final = (
    *_MONTHLY,
    *_DAILY,
    retention_curves.TABLE,
    retention_cohorts.TABLE,
    growth_by_segment_monthly.TABLE,
    engagement_distribution.TABLE,
    events_by_type.TABLE,
)


@dataclass(frozen=True)
class Marts:
    """Rows of marts, each table's in the order of its key.

    Attributes:
        months: of both monthly marts, joined.
        days: of the daily marts, joined.
        cohorts: of retention_cohorts.
        curves: the table retention_curves: of a large history some 100,000 rows.
        segments: of growth_by_segment_monthly.
        engagement: of engagement_distribution, of the last date that is over.
        types: of events_by_type.
        reckoning: how time is reckoned in them.

    Those of dates have the first day of their `week`, too.
    """

    months: Sequence[Row]
    days: Sequence[Row]
    cohorts: Sequence[Row]
    curves: pa.Table
    segments: Sequence[Row]
    engagement: Sequence[Row]
    types: Sequence[Row]
    reckoning: Reckoning = PLAIN


def read_marts(warehouse: TableReader) -> Marts:
    """The rows of the last months and dates.

    Raises:
        RunError: if the warehouse or a mart is missing, can't be read, or holds no event yet.
    """
    with warehouse.kept_open():
        return _read(warehouse)


def _read(warehouse: TableReader) -> Marts:
    refuse_missing(warehouse, [table.name for table in _NEEDED])
    reckoning = reckoning_of_tables(warehouse)
    months, days = (
        _joined([_rows(warehouse, table) for table in tables]) for tables in (_MONTHLY, _DAILY)
    )
    days = with_weeks(days, reckoning.week_start)
    if not months:
        raise RunError(
            f"{warehouse.url} holds no active user yet, so there is nothing to report: load events "
            f"with {typed_command('update', warehouse.url)} first"
        )
    shown, dates = months[-MONTHS_SHOWN:], days[-DATES_SHOWN:]
    cohorts, segments, engagement, types = (_rows(warehouse, table) for table in _NEEDED[-4:])
    first, over = shown[0]["activity_month"], [row for row in engagement if row["is_complete"]]
    last = max((row["event_date"] for row in over or engagement), default=None)
    return Marts(
        shown,
        dates,
        cohorts,
        _sorted(warehouse, retention_curves.TABLE),
        [row for row in segments if row["activity_month"] >= first],
        [row for row in engagement if row["event_date"] == last],
        with_weeks(
            [row for row in types if row["event_date"] >= dates[0]["event_date"]],
            reckoning.week_start,
        ),
        reckoning,
    )


def _rows(warehouse: TableReader, table: Table) -> list[Row]:
    found: list[Row] = _sorted(warehouse, table).to_pylist()
    return found


def _sorted(warehouse: TableReader, table: Table) -> pa.Table:
    return warehouse.read(table).sort_by([(name, "ascending") for name in table.primary_key])


def _joined(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """Rows of tables that have one for each date (month), side by side."""
    return [
        {name: value for row in rows for name, value in row.items()}
        for rows in zip(*tables, strict=True)
    ]


def sums_by_week(table: Table, days: Sequence[Row], names: Sequence[str]) -> Sequence[Row]:
    """As `by_week`, of columns of a daily table.

    Raises:
        ValueError: if one of them does not add up, as distinct users don't.
    """
    for name in names:
        column = table.column(name)
        if column is None or column.measure is None or column.measure.aggregation != "sum":
            raise ValueError(f"{table.name}.{name} does not add up over dates")
    return by_week(days, names)


def by_week(days: Sequence[Row], names: Sequence[str]) -> Sequence[Row]:
    """Sums over weeks of what adds up over dates.

    Args:
        days: rows with an event_date and its `week`, in order.
        names: columns of numbers.

    Returns:
        For each week its first day as `week`, the sums, and as `is_complete` whether a later week
        has begun. The first week is left out where the history begins in its middle.
    """
    weeks: dict[date, dict[str, Any]] = {}
    for day in days:
        first = day["week"]
        week = weeks.setdefault(first, {"week": first, **dict.fromkeys(names, 0)})
        for name in names:
            week[name] += day[name]
    found: list[dict[str, Any]] = list(weeks.values())
    for week in found:
        week["is_complete"] = week is not found[-1]
    begins_inside = bool(days) and days[0]["event_date"] != days[0]["week"]
    return found[1:] if len(found) > 2 and begins_inside else found


def with_weeks(days: Sequence[Row], start: WeekStart) -> list[Row]:
    """Rows with an event_date, and beside it the first day of its `week`."""
    shift = 1 if start == "sunday" else 0
    return [
        {**day, "week": date - timedelta(days=(date.weekday() + shift) % 7)}
        for day in days
        for date in [day["event_date"]]
    ]


def as_json(value: Any) -> Any:
    """A value as the page holds it: dates as text, numbers with four decimals at most."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return round(value, 4) if isinstance(value, float) else value
