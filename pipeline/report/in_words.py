"""Figures in words, and which period a page may judge."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.mart_rows import Row

NONE = "none"


def number(value: float | None) -> str:
    """A number of users, events or miles."""
    return NONE if value is None else f"{value:,.0f}"


def ratio(value: float | None) -> str:
    """A ratio with two decimals."""
    return NONE if value is None else f"{value:,.2f}"


def percent(value: float | None) -> str:
    """A percentage with one decimal."""
    return NONE if value is None else f"{value:,.1f} %"


def signed(value: float) -> str:
    """A difference with its sign; the minus is the typographic one, which screen readers say."""
    return f"+{value:,.0f}" if value > 0 else f"\N{MINUS SIGN}{-value:,.0f}" if value else "±0"


def month_name(row: Row) -> str:
    """The month of a row of a monthly mart."""
    return f"{row['activity_month']:%B %Y}"


def last_complete(rows: Sequence[Row]) -> Row | None:
    """The last row whose period is over: a running one is judged by nobody."""
    return next((row for row in reversed(rows) if row["is_complete"]), None)
