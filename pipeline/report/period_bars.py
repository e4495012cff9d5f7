"""Charts of stacked bars by month or week."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.chart import Chart, Column, declared
from pipeline.report.in_words import last_complete, number
from pipeline.report.mart_rows import Row
from pipeline.report.vega import Series, bars, names_of
from transforms.marts.weekly_growth_accounting import TABLE as WEEKLY

PATTERNS = ("plain", "stripes", "dots", "cross", "waves")
WEEK = Column("week", declared(WEEKLY, "activity_week").label)
_RUNS = Column("is_complete", declared(WEEKLY, "is_complete").label)


def weekly_bars(
    name: str,
    title: str,
    definition: str,
    weeks: Sequence[Row],
    series: Sequence[Series],
    *,
    unit: str,
    source: str,
    format: str = ",.0f",
    wide: bool = False,
) -> Chart:
    """A chart of sums over weeks.

    Args:
        name, title, definition, source, wide: as those of a chart.
        weeks: rows of `by_week`.
        series: what is stacked.
        unit: of all of it, with a capital letter.
        format: of the vertical axis.
    """
    return Chart(
        name=name,
        title=title,
        definition=definition,
        alternative=f"Stacked bars, {len(weeks)} weeks.{on_last(weeks, series)}",
        columns=(WEEK, *columns_of(series), _RUNS),
        rows=weeks,
        figures=names_of(series),
        spec=bars("week", series, unit, format=format),
        source=source,
        time="week",
        wide=wide,
    )


def columns_of(series: Sequence[Series]) -> tuple[Column, ...]:
    """Series as columns of a chart's numbers."""
    return tuple(Column(each.name, each.label) for each in series)


def on_last(rows: Sequence[Row], series: Sequence[Series]) -> str:
    """The figures of the last period that is over, in words; empty where none is."""
    row = last_complete(rows)
    if row is None:
        return ""
    when = f"In the week of {row['week']:%d %B %Y}" if "week" in row else f"On {row['event_date']}"
    return f" {when}: {', '.join(f'{each.label}: {number(row[each.name])}' for each in series)}."
