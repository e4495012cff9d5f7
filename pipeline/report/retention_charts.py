"""Charts of who stays: the retention triangle, and curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.report.chart import Chart, Column, Section, Spec
from pipeline.report.in_words import number, percent
from pipeline.report.mart_rows import Marts, Row
from pipeline.report.vega import CONFIG, amount, colours, hint, shapes

# More rows are too small to read.
_COHORTS_SHOWN = 24
_CURVES_SHOWN = 5
_ALL = "All cohorts"


def retention(marts: Marts) -> Section:
    """Who stays."""
    cohorts = sorted({row["cohort_month"] for row in marts.cohorts})[-_COHORTS_SHOWN:]
    shown = [
        {**row, "cohort": f"{row['cohort_month']:%Y-%m}"}
        for row in marts.cohorts
        if row["cohort_month"] in cohorts
    ]
    return Section("retention", "Retention", (_triangle(shown), _curves(shown, marts.cohorts)))


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
            Column("cohort", "First month"),
            Column("period_number", "Months since"),
            Column("users_active", "Active"),
            Column("cohort_size", "Users of the cohort"),
            Column("retention_rate", "Retention (%)"),
            Column("is_complete", "Over"),
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
                        hint("cohort", "First month"),
                        hint("period_number", "Months since"),
                        hint("users_active", "Active", ","),
                        hint("cohort_size", "Users of the cohort", ","),
                        hint("retention_rate", "Retention (%)", ".1f"),
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


def _curves(shown: Sequence[Row], rows: Sequence[Row]) -> Chart:
    """The last cohorts that are over in three months or more, and all together."""
    whole = [row for row in shown if row["is_complete"] and row["period_number"] > 0]
    latest = sorted({row["cohort"] for row in whole})[-_CURVES_SHOWN:]
    curves: list[dict[str, Any]] = [
        {
            "curve": row["cohort"],
            "period_number": row["period_number"],
            "users_active": row["users_active"],
            "cohort_size": row["cohort_size"],
            "retention_rate": row["retention_rate"],
        }
        for row in shown
        if row["is_complete"] and row["cohort"] in latest
    ]
    everybody = _all_cohorts(rows)
    names = [_ALL, *latest]
    first = next((row for row in everybody if row["period_number"] == 1), None)
    return Chart(
        name="retention-curves",
        title="Retention curves: all cohorts together, and the last five",
        definition="Percent of a cohort that is active in exactly the first, second, third ... "
        "month after its first one; of months that are over. All cohorts: their users together, "
        "of those cohorts whose month is over. A curve that levels off keeps users.",
        alternative=f"Lines of {len(names)} curves."
        + (f" After one month {percent(first['retention_rate'])} are active." if first else ""),
        columns=(
            Column("curve", "First month"),
            Column("period_number", "Months since"),
            Column("users_active", "Active"),
            Column("cohort_size", "Users of the cohorts"),
            Column("retention_rate", "Retention (%)"),
        ),
        rows=[*everybody, *curves],
        figures=("retention_rate",),
        spec=_curves_spec(names),
        source="retention_cohorts",
        wide=True,
    )


def _all_cohorts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    active: dict[int, int] = defaultdict(int)
    size: dict[int, int] = defaultdict(int)
    for row in rows:
        if row["is_complete"]:
            active[row["period_number"]] += row["users_active"]
            size[row["period_number"]] += row["cohort_size"]
    return [
        {
            "curve": _ALL,
            "period_number": number,
            "users_active": active[number],
            "cohort_size": size[number],
            "retention_rate": 100 * active[number] / size[number],
        }
        for number in sorted(size)
    ]


def _curves_spec(names: Sequence[str]) -> Spec:
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
            "axis": {"title": "Months since the first one", "tickMinStep": 1, "grid": False},
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
                        "condition": {"test": f"datum.curve === '{_ALL}'", "value": 3.5},
                        "value": 1.5,
                    },
                },
            },
            {
                "mark": {"type": "point", "size": 45, "strokeWidth": 1.5},
                "encoding": {
                    **place,
                    "stroke": told,
                    "fill": {"value": "var(--card)"},
                    "shape": {
                        **told,
                        "scale": {"domain": list(names), "range": shapes(len(names))},
                    },
                    "tooltip": [
                        hint("curve", "First month"),
                        hint("period_number", "Months since"),
                        hint("retention_rate", "Retention (%)", ".1f"),
                        hint("users_active", "Active", ","),
                    ],
                },
            },
        ]
    }
