"""Charts of sessions: how many there are, and how long they are."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.chart import Chart, Section, of_table
from pipeline.report.in_words import last_complete, number
from pipeline.report.mart_rows import Marts, Row, sums_by_week
from pipeline.report.period_bars import WEEK, columns_of
from pipeline.report.vega import Series, bars, lines, names_of, series_of
from transforms.marts import session_metrics

_DAYS = session_metrics.TABLE
_DATE, _RUNS = of_table(_DAYS, "event_date", "is_complete")


def sessions(marts: Marts) -> Section:
    """How many sessions there are, how long they are, and what is in them."""
    charts = (
        _number(marts.days, marts.reckoning.session_gap_minutes),
        _length(marts.days),
        _events(marts.days),
    )
    return Section("sessions", "Sessions", charts)


def _number(days: Sequence[Row], gap_minutes: int) -> Chart:
    weeks = [
        {**week, "longer_sessions": week["sessions"] - week["single_event_sessions"]}
        for week in sums_by_week(_DAYS, days, ("sessions", "single_event_sessions"))
    ]
    series = (
        Series("longer_sessions", "Two events or more", "plain"),
        *series_of(_DAYS, ("single_event_sessions",), ("stripes",)),
    )
    week = last_complete(weeks)
    return Chart(
        name="sessions-by-week",
        title="Sessions by week",
        definition=f"A session is a user's events up to a pause of {gap_minutes} minutes or more, "
        "of the date on which it began.",
        alternative=f"Stacked bars, {len(weeks)} weeks."
        + (
            f" Week of {week['week']}: {number(week['sessions'])} sessions, "
            f"{number(week['single_event_sessions'])} of them of one event."
            if week
            else ""
        ),
        columns=(
            WEEK,
            *columns_of(series),
            *of_table(_DAYS, "sessions"),
            _RUNS,
        ),
        rows=weeks,
        figures=names_of(series),
        spec=bars("week", series, "Sessions", format="~s"),
        source="session_metrics",
        time="week",
        wide=True,
    )


def _length(days: Sequence[Row]) -> Chart:
    rows = [
        {
            **day,
            "mean": _minutes(day["mean_session_seconds"]),
            "median": _minutes(day["median_session_seconds"]),
        }
        for day in days
    ]
    series = (Series("mean", "Mean"), Series("median", "Median"))
    day = _last_with_sessions(rows)
    return Chart(
        name="session-length",
        title="How long sessions are",
        definition="Minutes from the first to the last event of a session; one event has none. A "
        "mean far above the median says that a few sessions are long and most are short.",
        alternative="Lines of the mean and the median." + (_of(day, series) if day else ""),
        columns=(
            _DATE,
            *columns_of(series),
            _RUNS,
        ),
        rows=rows,
        figures=names_of(series),
        spec=lines("event_date", "day", series, "Minutes", format=",.1f"),
        source="session_metrics",
        time="event_date",
    )


def _events(days: Sequence[Row]) -> Chart:
    series = series_of(_DAYS, ("events_per_session", "sessions_per_user"))
    day = _last_with_sessions(days)
    return Chart(
        name="session-events",
        title="Events a session, and sessions a user",
        definition="Of the sessions that began on a date: their events, and how many there are of "
        "each user who began one.",
        alternative="Two lines, a point for each date." + (_of(day, series) if day else ""),
        columns=(
            _DATE,
            *columns_of(series),
            *of_table(_DAYS, "users_with_sessions"),
            _RUNS,
        ),
        rows=days,
        figures=names_of(series),
        spec=lines("event_date", "day", series, "Number", format=",.1f"),
        source="session_metrics",
        time="event_date",
    )


def _last_with_sessions(days: Sequence[Row]) -> Row | None:
    return last_complete([day for day in days if day["sessions"]])


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60


def _of(day: Row, series: Sequence[Series]) -> str:
    figures = [
        f"{each.label}: {day[each.name]:.1f}" for each in series if day[each.name] is not None
    ]
    return f" On {day['event_date']}: {', '.join(figures)}." if figures else ""
