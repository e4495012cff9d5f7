"""Charts of who the users are by platform and channel, and what they do with miles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.report.chart import Chart, Column, Section, of_table
from pipeline.report.growth_charts import ACCOUNTED
from pipeline.report.in_words import number
from pipeline.report.mart_rows import Marts, Row, by_week, sums_by_week
from pipeline.report.period_bars import PATTERNS, columns_of, on_last, weekly_bars
from pipeline.report.segment_rows import last_month
from pipeline.report.vega import (
    Series,
    amount,
    below,
    hint,
    level_bars,
    lines,
    names_of,
    series_of,
)
from transforms.marts import (
    engagement_distribution,
    growth_by_segment_monthly,
    growth_drivers,
    miles_analytics,
)
from transforms.vocabulary import CHANNELS, EVENT_TYPES, OTHER_CHANNEL, PLATFORMS

_MONTHS, _DRIVERS = growth_by_segment_monthly.TABLE, growth_drivers.TABLE
_ENGAGED, _MILES = engagement_distribution.TABLE, miles_analytics.TABLE
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
    series = series_of(_MONTHS, ACCOUNTED, PATTERNS[:4])
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
            *of_table(_MONTHS, "total_mau"),
            *columns_of(series),
            *of_table(_MONTHS, "quick_ratio", "retention_rate_pct"),
        ),
        rows=rows,
        figures=names_of(series),
        spec=level_bars("segment", series, "Users", len(rows)),
        source="growth_by_segment_monthly",
        wide=True,
    )


def _power_users(rows: Sequence[Row]) -> Chart:
    days, users = of_table(_ENGAGED, "active_days", "users")
    of_window = [row for row in rows if row["window_days"] == _POWER_WINDOW]
    total = sum(row["users"] for row in of_window)
    often = sum(row["users"] for row in of_window if row["active_days"] >= _OFTEN)
    day = of_window[0]["event_date"] if of_window else "no date"
    return Chart(
        name="power-users",
        title=f"Power users: on how many of the 28 dates up to {day} users were active",
        definition="L28: a user counts once, by the number of dates with an event. Power users "
        "stand at the right; a second rise there means that a habit has formed.",
        alternative=f"Bars from 1 to 28 dates. Of {number(total)} users {number(often)} were "
        f"active on {_OFTEN} dates or more.",
        columns=(days, users),
        rows=of_window,
        figures=("users",),
        spec={
            "mark": {"type": "bar", "fill": "var(--c1)"},
            "encoding": {
                "x": {
                    "field": "active_days",
                    "type": "ordinal",
                    "axis": {"title": days.label, "labelAngle": 0},
                },
                "y": amount("users", users.label),
                "tooltip": [hint("active_days", days.label), hint("users", users.label, ",")],
            },
        },
        source="engagement_distribution",
    )


def _types(rows: Sequence[Row]) -> Chart:
    series_of_type = _series_of_types(rows)
    series = tuple(dict.fromkeys(series_of_type.values()))
    days: dict[Any, dict[str, Any]] = {}
    for row in rows:
        nothing = {name: row[name] for name in ("event_date", "week")} | dict.fromkeys(
            names_of(series), 0
        )
        day = days.setdefault(row["event_date"], nothing)
        day[series_of_type[row["event_type"]].name] += row["events"]
    return weekly_bars(
        "event-types",
        "Events by week and type",
        "All events, whichever make a user active.",
        by_week(list(days.values()), names_of(series)),
        series,
        unit="Events",
        format="~s",
        source="events_by_type",
    )


def _series_of_types(rows: Sequence[Row]) -> dict[str, Series]:
    """The series of each event type, in order: where there are more types than patterns, the rarer
    ones share the last."""
    events: Counter[str] = Counter()
    for row in rows:
        events[row["event_type"]] += row["events"]
    shown = set(events)
    if len(events) > len(PATTERNS):
        shown = {name for name, _ in events.most_common(len(PATTERNS) - 1)}
    patterns = iter(PATTERNS)
    found = {
        # An own type may have a name that Vega takes for a path.
        name: Series(name, name.replace("_", " ").capitalize(), next(patterns))
        if name in EVENT_TYPES
        else Series(f"own_{place}", name, next(patterns))
        for place, name in enumerate(events)
        if name in shown
    }
    others = Series("others", f"{len(events) - len(shown)} other types", PATTERNS[-1])
    rarer = {name: others for name in events if name not in shown}
    return {**found, **rarer}


def _platforms(days: Sequence[Row]) -> Chart:
    series = series_of(_DRIVERS, [f"{name.lower()}_users" for name in PLATFORMS])
    return Chart(
        name="platforms",
        title="Daily users by platform",
        definition="Distinct users with an event on the platform; who uses two counts for both.",
        alternative=f"A line for each of {', '.join(PLATFORMS)}.{on_last(days, series)}",
        columns=(
            *of_table(_DRIVERS, "event_date"),
            *columns_of(series),
            *of_table(_DRIVERS, "is_complete"),
        ),
        rows=days,
        figures=names_of(series),
        spec=lines("event_date", "day", series, "Users"),
        source="growth_drivers",
        time="event_date",
    )


def _channels(days: Sequence[Row]) -> Chart:
    names = [f"new_{name}_users" for name in (*CHANNELS, OTHER_CHANNEL)]
    return weekly_bars(
        "channels",
        "New users by week, by the channel that brought them",
        "By the utm_source of the user's first event; other is any other source, or "
        "none. A user has one first event, so these may be added up.",
        sums_by_week(_DRIVERS, days, names),
        series_of(_DRIVERS, names, PATTERNS),
        unit="New users",
        source=_DRIVERS.name,
    )


def _miles(days: Sequence[Row]) -> Chart:
    earned, redeemed = "daily_miles_earned", "daily_miles_redeemed"
    weeks = [
        {**week, below(redeemed): -week[redeemed]}
        for week in sums_by_week(_MILES, days, (earned, redeemed))
    ]
    return weekly_bars(
        "miles",
        "Miles earned and redeemed by week",
        "Above zero what users earned, below zero what they redeemed.",
        weeks,
        series_of(_MILES, (earned, f"-{redeemed}"), ("plain", "cross")),
        unit="Miles",
        format="~s",
        source=_MILES.name,
        wide=True,
    )
