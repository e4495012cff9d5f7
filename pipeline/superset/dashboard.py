"""The dashboard: two charts a row, and filters for time and for whether periods are over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pipeline.superset.dashboard_charts import DashboardChart
from pipeline.superset.home import Home

_A_ROW: Final = 2
_WIDTH: Final = 12
_HEIGHT: Final = 50


def dashboard(charts: Sequence[DashboardChart], home: Home) -> dict[str, Any]:
    """What an import makes the dashboard of."""
    return {
        "dashboard_title": "Growth",
        "description": "Growth accounting, retention, segments, engagement and miles.",
        "slug": None,
        "uuid": home.id_of("dashboard", "growth"),
        "position": _position(charts, home),
        "metadata": {
            "cross_filters_enabled": True,
            "color_scheme": "supersetColors",
            "native_filter_configuration": _filters(home),
        },
        "version": "1.0.0",
    }


def _position(charts: Sequence[DashboardChart], home: Home) -> dict[str, Any]:
    rows = {
        f"ROW-{number}": list(row) for number, row in enumerate(batched_charts(charts), start=1)
    }
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "GRID_ID": {
            "id": "GRID_ID",
            "type": "GRID",
            "children": list(rows),
            "parents": ["ROOT_ID"],
        },
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": "Growth"}},
    }
    for name, of_row in rows.items():
        ids = [f"CHART-{home.id_of('chart', chart.title)}" for chart in of_row]
        position[name] = {
            "id": name,
            "type": "ROW",
            "children": ids,
            "parents": ["ROOT_ID", "GRID_ID"],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
        for place, chart in zip(ids, of_row, strict=True):
            position[place] = {
                "id": place,
                "type": "CHART",
                "children": [],
                "parents": ["ROOT_ID", "GRID_ID", name],
                "meta": {
                    # The import puts the number in that the chart gets there.
                    "chartId": 0,
                    "uuid": home.id_of("chart", chart.title),
                    "sliceName": chart.title,
                    "width": _WIDTH // len(of_row),
                    "height": _HEIGHT,
                },
            }
    return position


def batched_charts(charts: Sequence[DashboardChart]) -> list[Sequence[DashboardChart]]:
    """The charts of each row."""
    return [charts[at : at + _A_ROW] for at in range(0, len(charts), _A_ROW)]


def _filters(home: Home) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "type": "NATIVE_FILTER",
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [],
        "description": "",
    }
    return [
        {
            **common,
            "id": "NATIVE_FILTER-time",
            "name": "Time",
            "filterType": "filter_time",
            "controlValues": {"enableEmptyFilter": False},
            "targets": [{}],
        },
        {
            **common,
            "id": "NATIVE_FILTER-complete",
            "name": "Period is over",
            "filterType": "filter_select",
            "controlValues": {"enableEmptyFilter": False, "multiSelect": False},
            "targets": [
                {
                    "column": {"name": "is_complete"},
                    "datasetUuid": home.id_of("dataset", "growth_metrics"),
                }
            ],
        },
    ]
