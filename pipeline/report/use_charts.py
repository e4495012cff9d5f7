"""Charts of who the users are by platform and channel, and what they do with miles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.report.chart import Chart, Column, Section
from pipeline.report.in_words import last_complete, number
from pipeline.report.mart_rows import Marts, Row, by_week
from pipeline.report.segment_rows import last_month
from pipeline.report.vega import Series, amount, bars, hint, level_bars, lines, names_of
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL, PLATFORMS

_PATTERNS = ("plain", "stripes", "dots", "cross", "waves")
_RUNS = Column("is_complete", "Over")
_OFTEN = 15
_POWER_WINDOW = 28


def segments(marts: Marts) -> Section:
    """Platforms, channels and countries, side by side."""
    charts = (_compared(marts.segments), _platforms(marts.days), _channels(marts.days))
    return Section("segments", "Segments", charts)


def engagement(marts: Marts) -> Section:
    """How often users come, and what they do."""
    charts = (_power_users(marts.engagement), _types(marts.types))
    return Section("engagement", "Engagement", charts)


def miles(marts: Marts) -> Section:
    """Miles earned and redeemed."""
    return Section("miles", "Miles", (_miles(marts.days),))


def _compared(segments: Sequence[Row]) -> Chart:
    rows = last_month(segments)
    series = (
        Series("retained_users", "Retained", "plain"),
        Series("new_users", "New", "stripes"),
        Series("resurrected_users", "Came back", "dots"),
        Series("lost", "Churned", "cross"),
    )
    month = f"{rows[0]['activity_month']:%B %Y}" if rows else "no month that is over"
    largest = max(rows, key=lambda row: row["total_mau"], default=None)
    return Chart(
        name="segments-compared",
        title=f"Segments side by side: growth accounting of {month}",
        definition="Platform, channel and country of a user's first event, the largest ten of "
        "each. To the right the month's users, to the left those who churned.",
        alternative=f"Horizontal stacked bars of {len(rows)} segments."
        + (
            f" The largest is {largest['segment']}: {number(largest['total_mau'])} active users."
            if largest
            else ""
        ),
        columns=(
            Column("segment", "Segment"),
            Column("total_mau", "Active users"),
            *(Column(each.name, each.label) for each in series),
            Column("quick_ratio", "Quick ratio"),
            Column("retention_rate_pct", "Retention (%)"),
        ),
        rows=rows,
        figures=names_of(series),
        spec=level_bars("segment", series, "Users", len(rows)),
        source="growth_by_segment_monthly",
        wide=True,
    )


def _power_users(rows: Sequence[Row]) -> Chart:
    shown = [row for row in rows if row["window_days"] == _POWER_WINDOW]
    total = sum(row["users"] for row in shown)
    often = sum(row["users"] for row in shown if row["active_days"] >= _OFTEN)
    day = shown[0]["event_date"] if shown else "no date"
    return Chart(
        name="power-users",
        title=f"Power users: on how many of the 28 dates up to {day} users were active",
        definition="L28: a user counts once, by the number of dates with an event. Power users "
        "stand at the right; a second rise there means that a habit has formed.",
        alternative=f"Bars from 1 to 28 dates. Of {number(total)} users {number(often)} were "
        f"active on {_OFTEN} dates or more.",
        columns=(Column("active_days", "Active dates"), Column("users", "Users")),
        rows=shown,
        figures=("users",),
        spec={
            "mark": {"type": "bar", "fill": "var(--c1)"},
            "encoding": {
                "x": {
                    "field": "active_days",
                    "type": "ordinal",
                    "axis": {"title": "Active dates", "labelAngle": 0},
                },
                "y": amount("users", "Users"),
                "tooltip": [hint("active_days", "Active dates"), hint("users", "Users", ",")],
            },
        },
        source="engagement_distribution",
    )


def _types(rows: Sequence[Row]) -> Chart:
    names = list(dict.fromkeys(row["event_type"] for row in rows))
    days: dict[Any, dict[str, Any]] = {}
    for row in rows:
        day = days.setdefault(row["event_date"], {"event_date": row["event_date"]})
        day[row["event_type"]] = row["events"]
    weeks = by_week(list(days.values()), names)
    series = tuple(
        Series(name, name.replace("_", " ").capitalize(), pattern)
        for name, pattern in zip(names, _PATTERNS, strict=False)
    )
    week = last_complete(weeks)
    return Chart(
        name="event-types",
        title="Events by week and type",
        definition="All events, whichever make a user active.",
        alternative=f"Stacked bars, {len(weeks)} weeks." + (_on(week, series) if week else ""),
        columns=(
            Column("week", "Week of"),
            *(Column(each.name, each.label) for each in series),
            _RUNS,
        ),
        rows=weeks,
        figures=names_of(series),
        spec=bars("week", series, "Events", format="~s"),
        source="events_by_type",
        time="week",
    )


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
        figures=names_of(series),
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
        figures=names_of(series),
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
        figures=names_of(series),
        spec=bars("week", series, "Miles", format="~s"),
        source="miles_analytics",
        time="week",
        wide=True,
    )


def _on(row: Row, series: Sequence[Series]) -> str:
    when = row.get("week") or row["event_date"]
    figures = ", ".join(f"{each.label}: {number(row[each.name])}" for each in series)
    return f" {'Week of ' if 'week' in row else 'On '}{when}: {figures}."
