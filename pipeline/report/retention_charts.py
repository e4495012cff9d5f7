"""Charts of who stays: the retention triangle, and curves."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.report.chart import Chart, Column, Section, Spec, declared, of_table
from pipeline.report.curve_rows import ALL_COHORTS, EXACTLY, OR_LATER, by_day, by_month
from pipeline.report.in_words import number, percent
from pipeline.report.mart_rows import Marts, Row
from pipeline.report.segment_rows import EVERYBODY
from pipeline.report.vega import CONFIG, amount, colours, hint, shapes
from transforms.marts import retention_cohorts

# More rows are too small to read.
_COHORTS_SHOWN = 24
_COHORTS = retention_cohorts.TABLE
_FIGURES = ("period_number", "users_active", "cohort_size", "retention_rate")


def retention(marts: Marts) -> Section:
    """Who stays."""
    cohorts = sorted({row["cohort_month"] for row in marts.cohorts})[-_COHORTS_SHOWN:]
    shown = [
        {**row, "cohort": f"{row['cohort_month']:%Y-%m}"}
        for row in marts.cohorts
        if row["cohort_month"] in cohorts
    ]
    charts = (_triangle(shown), _by_month(marts), _by_day(marts))
    return Section("retention", "Retention", charts)


def _triangle(rows: Sequence[Row]) -> Chart:
    return Chart(
        name="retention-triangle",
        title="Retention of each month's new users",
        definition="A row is the users of one first active month, a column the months since: how "
        "many percent of them are active in exactly that month. Pale numbers in italics belong to "
        "the running month, and will rise.",
        alternative=f"A table of {number(len(rows))} cells, darker where more users stayed; all of "
        "its numbers are below.",
        columns=(
            Column("cohort", _heading("cohort_month")),
            *of_table(_COHORTS, *_FIGURES, "is_complete"),
        ),
        rows=rows,
        figures=("retention_rate",),
        spec=_triangle_spec(len({row["cohort"] for row in rows})),
        source="retention_cohorts",
        wide=True,
    )


def _triangle_spec(cohorts: int) -> Spec:
    place = {
        "x": {
            "field": "period_number",
            "type": "ordinal",
            "axis": {"title": "Months since the first one", "labelAngle": 0, "orient": "top"},
        },
        "y": {"field": "cohort", "type": "ordinal", "axis": {"title": "First active month"}},
    }
    return {
        "height": 24 * max(cohorts, 3),
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--card)", "fill": "var(--c1)"},
                "encoding": {
                    **place,
                    # Opacity over the page's own colour works in light, dark and print.
                    "fillOpacity": {
                        "field": "retention_rate",
                        "type": "quantitative",
                        "scale": {"domain": [0, 100], "range": [0.04, 0.75], "clamp": True},
                        "legend": None,
                    },
                    "tooltip": [
                        hint("cohort", _heading("cohort_month")),
                        hint("period_number", _heading("period_number")),
                        hint("users_active", _heading("users_active"), ","),
                        hint("cohort_size", _heading("cohort_size"), ","),
                        hint("retention_rate", _heading("retention_rate"), ".1f"),
                    ],
                },
            },
            *(_cell_text(place, running) for running in (False, True)),
        ],
    }


def _cell_text(place: Spec, running: bool) -> Spec:
    return {
        "transform": [{"filter": f"{'!' * (not running)}(datum.is_complete === false)"}],
        "mark": {
            "type": "text",
            "fontSize": 11,
            "fontStyle": "italic" if running else "normal",
            "opacity": 0.6 if running else 1,
        },
        "encoding": {
            **place,
            "text": {
                "condition": {"test": "bandwidth('x') < 30", "value": ""},
                "field": "retention_rate",
                "type": "quantitative",
                "format": ".0f",
            },
            "color": {"value": "var(--ink)"},
        },
    }


def _by_month(marts: Marts) -> Chart:
    """The last cohorts that are over in two months or more, and all together."""
    rows = by_month(marts)
    everybody = [row for row in rows if row["segment"] == EVERYBODY]
    first = next(
        (row for row in everybody if row["curve"] == ALL_COHORTS and row["period_number"] == 1),
        None,
    )
    names = list(dict.fromkeys(row["curve"] for row in everybody))
    return Chart(
        name="retention-curves",
        title="Retention curves: all cohorts together, and the last five",
        definition="Percent of a cohort that is active in exactly the first, second, third ... "
        "month after its first one; of months that are over. All cohorts: their users together, "
        "of those cohorts whose month is over. A curve that levels off keeps users.",
        alternative=f"Lines of {len(names)} curves."
        + (f" After one month {percent(first['retention_rate'])} are active." if first else ""),
        columns=_columns(_heading("cohort_month"), _heading("period_number"), segment=True),
        rows=rows,
        figures=("retention_rate",),
        spec=_curves_spec(names, "Months", 1),
        source="retention_curves",
        segment="segment",
        wide=True,
    )


def _by_day(marts: Marts) -> Chart:
    rows = by_day(marts)
    rates = {(row["curve"], row["period_number"]): row["retention_rate"] for row in rows}
    said = [
        f"day {day} {percent(rates[EXACTLY, day])} exactly, {percent(rates[OR_LATER, day])} "
        "then or later"
        for day in (1, 7, 30)
        if (EXACTLY, day) in rates
    ]
    return Chart(
        name="retention-by-day",
        title="Retention by day: who comes on a day, and who comes on it or later",
        definition="Percent of all users who are active so many days after their first active "
        "date, of those for whom that day is over. Who comes on exactly that day depends on how "
        "often people need the product; who comes then or later has not left yet.",
        alternative="Two lines." + (f" On {'; on '.join(said)}." if said else ""),
        columns=_columns("Active", "Days since"),
        rows=rows,
        figures=("retention_rate",),
        spec=_curves_spec([EXACTLY, OR_LATER], "Days", 7),
        source="retention_curves",
        wide=True,
    )


def _heading(name: str) -> str:
    return declared(_COHORTS, name).heading


def _columns(curve: str, periods: str, segment: bool = False) -> tuple[Column, ...]:
    of_segment = (Column("segment", "Segment"),) if segment else ()
    return (
        *of_segment,
        Column("curve", curve),
        Column("period_number", periods),
        Column("users", "Users"),
        *of_table(_COHORTS, "cohort_size", "retention_rate"),
    )


def _curves_spec(names: Sequence[str], unit: str, step: int) -> Spec:
    """Lines by period.

    Args:
        names: of the curves; the first one is thick.
        unit: of the periods.
        step: every so many periods a line has a point.
    """
    told = {
        "field": "curve",
        "type": "nominal",
        "scale": {"domain": list(names), "range": colours(len(names))},
        "legend": {**CONFIG["legend"], "symbolFillColor": "transparent"},
    }
    place = {
        "x": {
            "field": "period_number",
            "type": "quantitative",
            "axis": {"title": f"{unit} since the first one", "tickMinStep": 1, "grid": False},
        },
        "y": amount("retention_rate", "Percent of the cohort", format=".0f"),
    }
    return {
        "layer": [
            {
                "mark": {"type": "line"},
                "encoding": {
                    **place,
                    "stroke": told,
                    "strokeWidth": {
                        "condition": {
                            "test": f"datum.curve === '{''.join(names[:1])}'",
                            "value": 3.5,
                        },
                        "value": 1.5,
                    },
                },
            },
            {
                "mark": {"type": "point", "size": 45, "strokeWidth": 1.5},
                "encoding": {
                    **place,
                    # Unseen, not left out: a layer without any point has no scale.
                    "opacity": {
                        "condition": {"test": f"datum.period_number % {step} === 0", "value": 1},
                        "value": 0,
                    },
                    "stroke": told,
                    "fill": {"value": "var(--card)"},
                    "shape": {
                        **told,
                        "scale": {"domain": list(names), "range": shapes(len(names))},
                    },
                    "tooltip": [
                        hint("curve", "Of"),
                        hint("period_number", f"{unit} since"),
                        hint("retention_rate", _heading("retention_rate"), ".1f"),
                        hint("users", "Users", ","),
                    ],
                },
            },
        ]
    }
