"""Vega-Lite specifications as data, and the looks that all charts share.

Colours are variables of the page's style sheet, so that light, dark and print are its matter
alone. Nothing is told by colour only: areas differ in pattern, lines in dashes and shapes, and
what runs is pale and says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.report.chart import RUNNING_LAYER, Grain, Spec, declared
from transforms.contract import Table

_MUTED, _GRID, _INK = "var(--muted)", "var(--line)", "var(--ink)"
_DASHES: Final = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (1, 3), (10, 4))
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
RUNNING: Final = "datum.is_complete === false"
_TIME: Final[Mapping[Grain, tuple[str, str]]] = {
    "day": ("%e %b %Y", "%e %b %y"),
    "week": ("%e %b %Y", "%e %b %y"),
    "month": ("%B %Y", "%b %y"),
}

CONFIG: Final[Spec] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "aria": False,  # The figure has one text alternative; each mark a label would drown it.
    "axis": {
        "labelColor": _MUTED,
        "titleColor": _MUTED,
        "tickColor": _GRID,
        "domainColor": _GRID,
        "gridColor": _GRID,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelOverlap": True,
    },
    "legend": {
        "orient": "top",
        "columns": {"expr": "max(1, floor(width / 170))"},
        "title": None,
        "labelColor": _INK,
        "labelFontSize": 12,
        "labelLimit": 240,
        "symbolSize": 140,
        "symbolStrokeWidth": 2,
    },
    "text": {"color": _INK, "fontSize": 11},
    "rule": {"color": _MUTED},
}


@dataclass(frozen=True)
class Series:
    """One of several series of a chart.

    Attributes:
        name: the column.
        label: in the legend.
        pattern: an area's, of the page's patterns; for lines None.
    """

    name: str
    label: str
    pattern: str | None = None


def series_of(
    table: Table, names: Sequence[str], patterns: Sequence[str | None] | None = None
) -> tuple[Series, ...]:
    """Columns of a table as series, by the labels that its contract has for them.

    Args:
        table: the contract.
        names: of its columns; one with a - in front is drawn below zero, and lies in `below`.
        patterns: of areas; None for lines.
    """
    return tuple(
        Series(below(name), f"{declared(table, name[1:]).heading}, below zero", pattern)
        if name.startswith("-")
        else Series(name, declared(table, name).heading, pattern)
        for name, pattern in zip(names, patterns or [None] * len(names), strict=True)
    )


def below(name: str) -> str:
    """The column of what is drawn below zero: `-lost` lies in `lost_below`."""
    return f"{name.removeprefix('-')}_below"


def names_of(series: Sequence[Series]) -> tuple[str, ...]:
    """The columns of series."""
    return tuple(each.name for each in series)


def when(field: str, grain: Grain) -> Spec:
    """The horizontal axis of a date."""
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {
            "format": _TIME[grain][1],
            "title": None,
            "grid": False,
            "tickCount": {"expr": "max(2, width / 90)"},
        },
    }


def period(field: str) -> Spec:
    """The horizontal axis of bars for months or weeks, one place each."""
    return {
        "field": field,
        "type": "ordinal",
        "axis": {
            "title": None,
            "labelAngle": 0,
            "labelExpr": "utcFormat(toDate(datum.value), '%b %y')",
            "labelOverlap": True,
            "labelSeparation": 8,
        },
    }


def amount(field: str, title: str, *, format: str = ",.0f", zero: bool = True) -> Spec:
    """The vertical axis."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"zero": zero},
        "axis": {"title": title, "format": format, "tickCount": 5},
    }


def hint(field: str, title: str, format: str | None = None) -> Spec:
    """A line of what is shown under the pointer."""
    return {
        "field": field,
        "title": title,
        **({"type": "quantitative", "format": format} if format else {"type": "nominal"}),
    }


def fold(series: Sequence[Series]) -> list[Spec]:
    """Columns as rows: `series` is the label, `value` the number, `place` the order."""
    labels = {each.name: each.label for each in series}
    names = list(names_of(series))
    return [
        {"fold": names, "as": ["column", "value"]},
        {"calculate": f"({_literal(labels)})[datum.column]", "as": "series"},
        {"calculate": f"indexof({_literal(names)}, datum.column)", "as": "place"},
    ]


def filled(series: Sequence[Series]) -> Spec:
    """The channel of patterns."""
    return {
        "field": "series",
        "type": "nominal",
        "scale": {
            "domain": [each.label for each in series],
            "range": [f"url(#fill-{each.pattern})" for each in series],
        },
        "legend": {"symbolType": "square", "symbolStrokeWidth": 0},
    }


def bars(
    x: str,
    series: Sequence[Series],
    title: str,
    *,
    stack: str | bool = "zero",
    format: str = ",.0f",
) -> Spec:
    """Stacked bars by month or week; those of a running one are pale."""
    return {
        "transform": [*fold(series), {"filter": "isValid(datum.value)"}],
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.5},
                "encoding": {
                    "x": period(x),
                    "y": {**amount("value", title, format=format), "stack": stack},
                    "fill": filled(series),
                    "order": {"field": "place", "type": "ordinal"},
                    "opacity": {"condition": {"test": RUNNING, "value": 0.45}, "value": 1},
                    "tooltip": [
                        hint(x, "From"),
                        hint("series", "What"),
                        hint("value", title, format),
                    ],
                },
            },
            _running_mark(period(x)),
        ],
    }


def level_bars(y: str, series: Sequence[Series], title: str, rows: int) -> Spec:
    """Horizontal stacked bars, in the order of the rows."""
    return {
        "height": 22 * max(rows, 3),
        "transform": fold(series),
        "mark": {"type": "bar", "stroke": "var(--card)", "strokeWidth": 0.5},
        "encoding": {
            "y": {"field": y, "type": "ordinal", "sort": None, "axis": {"title": None}},
            "x": {**amount("value", title), "stack": "zero"},
            "fill": filled(series),
            "order": {"field": "place", "type": "ordinal"},
            "tooltip": [hint(y, "Segment"), hint("series", "What"), hint("value", title, ",")],
        },
    }


def areas(
    x: str, grain: Grain, series: Sequence[Series], title: str, *, normalized: bool = False
) -> Spec:
    """Stacked areas by date."""
    y = amount("value", title, format=".0%" if normalized else ",.0f")
    return {
        "transform": fold(series),
        "mark": {"type": "area", "stroke": "var(--card)", "strokeWidth": 0.5, "line": False},
        "encoding": {
            "x": when(x, grain),
            "y": {**y, "stack": "normalize" if normalized else "zero"},
            "fill": filled(series),
            "order": {"field": "place", "type": "ordinal"},
        },
    }


def lines(
    x: str, grain: Grain, series: Sequence[Series], title: str, *, format: str = ",.0f"
) -> Spec:
    """A line for each series; what runs has a hollow point."""
    labels = [each.label for each in series]
    told: Spec = {
        "stroke": {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": labels, "range": colours(len(labels))},
        },
        "strokeDash": {
            "field": "series",
            "type": "nominal",
            "scale": {"domain": labels, "range": [list(dash) for dash in _DASHES[: len(labels)]]},
        },
    }
    place = {"x": when(x, grain), "y": amount("value", title, format=format)}
    return {
        "transform": [*fold(series), {"filter": "isValid(datum.value)"}],
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**place, **told}},
            {
                "name": RUNNING_LAYER,
                "mark": {"type": "point", "size": 40, "strokeWidth": 1.5, "filled": False},
                "transform": [{"filter": RUNNING}],
                "encoding": {
                    **place,
                    "stroke": told["stroke"],
                    "fill": {"value": "var(--card)"},
                },
            },
            {
                # A wide invisible rule is easier to hit than a thin line.
                "mark": {"type": "rule", "opacity": 0, "strokeWidth": 8},
                "transform": [
                    {
                        "pivot": "series",
                        "value": "value",
                        "groupby": [x],
                    }
                ],
                "encoding": {
                    "x": when(x, grain),
                    "tooltip": [hint(x, "Date"), *(hint(label, label, format) for label in labels)],
                },
            },
        ],
    }


def thresholds(found: Sequence[tuple[float, str]]) -> list[Spec]:
    """Horizontal rules with what they mean."""
    values = [{"bound": bound, "label": label} for bound, label in found]
    y = {"field": "bound", "type": "quantitative"}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeDash": [3, 3]},
            "encoding": {"y": y},
        },
        {
            "data": {"values": values},
            "mark": {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -2},
            "encoding": {
                "x": {"value": 0},
                "y": y,
                "text": {"field": "label"},
                "color": {"value": _MUTED},
            },
        },
    ]


def colours(count: int) -> list[str]:
    """So many colours of lines."""
    return [f"var(--c{number % 6 + 1})" for number in range(count)]


def shapes(count: int) -> list[str]:
    """So many shapes of points."""
    return [_SHAPES[number % len(_SHAPES)] for number in range(count)]


def _running_mark(x: Spec) -> Spec:
    return {
        "name": RUNNING_LAYER,
        "transform": [
            {"filter": RUNNING},
            {"calculate": "max(datum.value, 0)", "as": "up"},
            {
                "aggregate": [{"op": "sum", "field": "up", "as": "top"}],
                "groupby": [x["field"]],
            },
        ],
        "mark": {"type": "text", "dy": -6, "fontStyle": "italic"},
        "encoding": {
            "x": x,
            "y": {"field": "top", "type": "quantitative"},
            # A narrow bar has no room for it; that it is pale stands in the caption.
            "text": {"condition": {"test": "bandwidth('x') < 24", "value": ""}, "value": "runs"},
            "color": {"value": _MUTED},
        },
    }


def _literal(value: Any) -> str:
    """A value in Vega's expression language, which reads JSON."""
    return json.dumps(value)
