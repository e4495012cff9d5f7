"""Charts of who the users are by platform and channel, and what they do with miles."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.chart import Chart, Column, Section
from pipeline.report.in_words import last_complete, number
from pipeline.report.mart_rows import Marts, Row, by_week
from pipeline.report.vega import Series, bars, lines
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL, PLATFORMS

_PATTERNS = ("plain", "stripes", "dots", "cross", "waves")
_RUNS = Column("is_complete", "Over")


def segments(marts: Marts) -> Section:
    """Platforms and channels, side by side."""
    return Section("segments", "Segments", (_platforms(marts.days), _channels(marts.days)))


def miles(marts: Marts) -> Section:
    """Miles earned and redeemed."""
    return Section("miles", "Miles", (_miles(marts.days),))


def _platforms(days: Sequence[Row]) -> Chart:
    series = tuple(Series(f"{name.lower()}_users", name) for name in PLATFORMS)
    day = last_complete(days)
    return Chart(
        name="platforms",
        title="Daily users by platform",
        definition="Distinct users with an event on the platform; who uses two counts for both.",
        alternative=f"A line for each of {', '.join(PLATFORMS)}."
        + (_on(day, series) if day else ""),
        columns=(
            Column("event_date", "Date"),
            *(Column(each.name, each.label) for each in series),
            _RUNS,
        ),
        rows=days,
        spec=lines("event_date", "day", series, "Users"),
        source="growth_drivers",
        time="event_date",
    )


def _channels(days: Sequence[Row]) -> Chart:
    series = tuple(
        Series(f"new_{name}_users", name.capitalize(), pattern)
        for name, pattern in zip((*CHANNELS, OTHER_CHANNEL), _PATTERNS, strict=True)
    )
    weeks = by_week(days, [each.name for each in series])
    week = last_complete(weeks)
    return Chart(
        name="channels",
        title="New users by week, by the channel that brought them",
        definition="By the utm_source of the user's first event; other is any other source, or "
        "none. A user has one first event, so these may be added up.",
        alternative=f"Stacked bars, {len(weeks)} weeks." + (_on(week, series) if week else ""),
        columns=(
            Column("week", "Week of"),
            *(Column(each.name, each.label) for each in series),
            _RUNS,
        ),
        rows=weeks,
        spec=bars("week", series, "New users"),
        source="growth_drivers",
        time="week",
    )


def _miles(days: Sequence[Row]) -> Chart:
    weeks = [
        {**week, "redeemed": -week["daily_miles_redeemed"]}
        for week in by_week(days, ("daily_miles_earned", "daily_miles_redeemed"))
    ]
    series = (
        Series("daily_miles_earned", "Earned", "plain"),
        Series("redeemed", "Redeemed (below zero)", "cross"),
    )
    week = last_complete(weeks)
    return Chart(
        name="miles",
        title="Miles earned and redeemed by week",
        definition="Above zero what users earned, below zero what they redeemed.",
        alternative=f"Bars above and below zero, {len(weeks)} weeks."
        + (_on(week, series) if week else ""),
        columns=(
            Column("week", "Week of"),
            Column("daily_miles_earned", "Earned"),
            Column("redeemed", "Redeemed (below zero)"),
            _RUNS,
        ),
        rows=weeks,
        spec=bars("week", series, "Miles", format="~s"),
        source="miles_analytics",
        time="week",
        wide=True,
    )


def _on(row: Row, series: Sequence[Series]) -> str:
    when = row.get("week") or row["event_date"]
    figures = ", ".join(f"{each.label}: {number(row[each.name])}" for each in series)
    return f" {'Week of ' if 'week' in row else 'On '}{when}: {figures}."
