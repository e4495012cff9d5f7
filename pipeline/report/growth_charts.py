"""Charts of who came, stayed, returned and left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.report.chart import Chart, Column, Section, declared, of_table
from pipeline.report.in_words import last_complete, month_name, number, percent, ratio
from pipeline.report.mart_rows import Marts, Row, sums_by_week
from pipeline.report.period_bars import PATTERNS, columns_of, weekly_bars
from pipeline.report.segment_rows import by_segment
from pipeline.report.vega import (
    RUNNING,
    Series,
    amount,
    areas,
    bars,
    below,
    hint,
    lines,
    names_of,
    period,
    series_of,
    thresholds,
)
from transforms.marts import (
    growth_metrics,
    quick_ratio_analysis,
    retention_quality_framework,
    social_capital_growth_accounting,
    user_resurrection_analysis,
)

_MONTHS, _RATIOS = social_capital_growth_accounting.TABLE, quick_ratio_analysis.TABLE
_DAYS, _STAGES = growth_metrics.TABLE, retention_quality_framework.TABLE
_RETURNS = user_resurrection_analysis.TABLE
(_MONTH,) = of_table(_MONTHS, "activity_month")
(_RUNS,) = of_table(_MONTHS, "is_complete")
(_DATE,) = of_table(_DAYS, "event_date")
_SEGMENT = Column("segment", "Segment")
ACCOUNTED = ("retained_users", "new_users", "resurrected_users", "-churned_users")


def growth(marts: Marts) -> Section:
    """Growth accounting and the quick ratio."""
    of_segments = by_segment(marts)
    charts = (_accounting(marts.months, of_segments), _quick_ratio(marts.months, of_segments))
    return Section("growth", "Growth", charts)


def activity(marts: Marts) -> Section:
    """How many are active, how often, for how long they are known, and who comes back."""
    days = marts.days
    charts = (_actives(days), _stickiness(days), _stages(days), _resurrections(days))
    return Section("activity", "Active users", charts)


def _accounting(months: Sequence[Row], of_segments: Sequence[Row]) -> Chart:
    rows = [{**month, below("churned_users"): -month["churned_users"]} for month in of_segments]
    series = series_of(_MONTHS, ACCOUNTED, PATTERNS[:4])
    return Chart(
        name="growth-accounting",
        title="Active users by month: who came, who stayed, who left",
        definition="Above zero the users of a month: new (first active month ever), retained "
        "(active the month before, too), came back (active earlier, not the month before). Below "
        "zero those who were active the month before and are not in this one. After Jonathan "
        "Hsu, Social Capital (2015).",
        alternative=_accounting_in_words(months),
        columns=(
            _MONTH,
            _SEGMENT,
            *of_table(_MONTHS, "total_mau"),
            *columns_of(series),
            _RUNS,
        ),
        rows=rows,
        figures=names_of(series),
        spec=bars("activity_month", series, "Users"),
        source="social_capital_growth_accounting, growth_by_segment_monthly",
        time="activity_month",
        segment="segment",
        wide=True,
    )


def _accounting_in_words(months: Sequence[Row]) -> str:
    text = f"Stacked bars, {_span(months)}."
    month = last_complete(months)
    if month is None:
        return text
    return (
        f"{text} In {month_name(month)} {number(month['total_mau'])} users were active: "
        f"{number(month['new_users'])} new, {number(month['retained_users'])} retained, "
        f"{number(month['resurrected_users'])} came back; {number(month['churned_users'])} churned."
    )


def _quick_ratio(months: Sequence[Row], of_segments: Sequence[Row]) -> Chart:
    return Chart(
        name="quick-ratio",
        title="Quick ratio by month: users won for each one lost",
        definition="(new + came back) / churned. Below 1.0 the product shrinks, from 1.5 on it "
        "is good for a consumer product, from 2.0 on excellent. The dashed line is the mean of "
        "three months, of everybody alone. A month without a churned user has none.",
        alternative=_quick_ratio_in_words(months),
        columns=(
            _MONTH,
            _SEGMENT,
            *of_table(_RATIOS, "quick_ratio", "quick_ratio_3mo_avg"),
            *of_table(_MONTHS, "growth_quality_category"),
            *of_table(_RATIOS, "alert_level"),
            _RUNS,
        ),
        rows=of_segments,
        figures=("quick_ratio", "quick_ratio_3mo_avg"),
        spec=_quick_ratio_spec(),
        source="quick_ratio_analysis, growth_by_segment_monthly",
        time="activity_month",
        segment="segment",
        wide=True,
    )


def _quick_ratio_in_words(months: Sequence[Row]) -> str:
    text = f"Line with points, {_span(months)}."
    month = last_complete(months)
    if month is None:
        return text
    judged = f"{ratio(month['quick_ratio'])}, {month['growth_quality_category']}"
    return f"{text} {month_name(month)}: {judged}."


def _quick_ratio_spec() -> dict[str, Any]:
    """The ratio as a line with points over its mean, and lines at the bounds."""
    labels = [declared(_RATIOS, name).label for name in ("quick_ratio", "quick_ratio_3mo_avg")]
    x = period("activity_month")
    y = amount("quick_ratio", labels[0], format=".1f")
    hints = [
        hint("activity_month", _MONTH.label),
        hint("quick_ratio", labels[0], ".2f"),
        hint("quick_ratio_3mo_avg", labels[1], ".2f"),
        hint("growth_quality_category", declared(_MONTHS, "growth_quality_category").label),
    ]
    mean = {"type": "line", "strokeDash": [5, 4], "stroke": "var(--muted)"}
    line = {"type": "line", "stroke": "var(--c1)", "strokeWidth": 2}
    dots = {"type": "point", "size": 60, "stroke": "var(--c1)", "opacity": 1}
    running = {"condition": {"test": RUNNING, "value": "var(--card)"}, "value": "var(--c1)"}
    bounds = ((1.0, "1.0 won as many as lost"), (1.5, "1.5 good"), (2.0, "2.0 excellent"))
    return {
        "layer": [
            *thresholds(bounds),
            {"mark": mean, "encoding": {"x": x, "y": {**y, "field": "quick_ratio_3mo_avg"}}},
            {"mark": line, "encoding": {"x": x, "y": y}},
            {"mark": dots, "encoding": {"x": x, "y": y, "fill": running, "tooltip": hints}},
        ]
    }


def _actives(days: Sequence[Row]) -> Chart:
    windows = ("monthly_active_users_30d", "weekly_active_users_7d", "daily_active_users")
    series = series_of(_DAYS, windows)
    return Chart(
        name="active-users",
        title="Daily, weekly and monthly active users",
        definition="Distinct users with an event on the date, in the 7 and in the 30 days that end "
        "with it. They are never added up over dates: a user counts once in each.",
        alternative=f"Three lines, {_dates(days)}. {_last_date(days, series)}",
        columns=(_DATE, *columns_of(series), _RUNS),
        rows=days,
        figures=names_of(series),
        spec=lines("event_date", "day", series, "Users"),
        source="growth_metrics",
        time="event_date",
    )


def _stickiness(days: Sequence[Row]) -> Chart:
    series = series_of(_DAYS, ("dau_mau_stickiness", "dau_wau_stickiness"))
    return Chart(
        name="stickiness",
        title="Stickiness: how many of a period's users come on one date",
        definition="DAU in percent of the users of the last 30 days (MAU) and of the last 7 (WAU). "
        "A user who comes every other day makes 50 %.",
        alternative=f"Two lines in percent, {_dates(days)}. {_last_date(days, series, ' %')}",
        columns=(_DATE, *columns_of(series), _RUNS),
        rows=days,
        figures=names_of(series),
        spec=lines("event_date", "day", series, "Percent", format=".0f"),
        source="growth_metrics",
        time="event_date",
    )


def _stages(days: Sequence[Row]) -> Chart:
    names = [f"{name}_stage_users" for name in ("new", "growing", "established", "mature")]
    series = series_of(_STAGES, names, ("stripes", "dots", "cross", "plain"))
    return Chart(
        name="lifecycle",
        title="Lifecycle: for how long the users of a date are known",
        definition="Daily active users by the days since their first active date.",
        alternative=f"Stacked areas that fill 100 %, {_dates(days)}. {_last_date(days, series)}",
        columns=(_DATE, *columns_of(series), _RUNS),
        rows=days,
        figures=names_of(series),
        spec=areas("event_date", "day", series, "Share of DAU", normalized=True),
        source="retention_quality_framework",
        time="event_date",
    )


def _resurrections(days: Sequence[Row]) -> Chart:
    names = [f"{name}_dormancy_resurrections" for name in ("short", "medium", "long", "very_long")]
    return weekly_bars(
        "resurrections",
        "Returns by week, by how long the users were away",
        "A return is a date on which a user is active who was not the day before, but "
        "earlier. A user who returns twice in a week counts twice.",
        sums_by_week(_RETURNS, days, names),
        series_of(_RETURNS, names, PATTERNS[:4]),
        unit="Returns",
        source=_RETURNS.name,
    )


def _span(months: Sequence[Row]) -> str:
    return f"{len(months)} months from {month_name(months[0])} to {month_name(months[-1])}"


def _dates(days: Sequence[Row]) -> str:
    return f"{len(days)} dates from {days[0]['event_date']} to {days[-1]['event_date']}"


def _last_date(days: Sequence[Row], series: Sequence[Series], unit: str = "") -> str:
    day = last_complete(days)
    if day is None:
        return ""
    in_words = percent if unit else number
    figures = ", ".join(f"{each.label}: {in_words(day[each.name])}" for each in series)
    return f"On {day['event_date']}: {figures}."
