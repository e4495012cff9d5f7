"""The charts of the dashboard, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pipeline.superset.home import Home
from transforms.contract import Table
from transforms.marts.registry import TABLES
from transforms.marts.segment_rules import SEGMENTS


@dataclass(frozen=True)
class DashboardChart:
    """A chart of one table.

    Attributes:
        title: what it shows.
        table: the table's name.
        kind: of Superset's charts.
        metrics: names of the dataset's metrics; one with a - in front is drawn below zero.
        x: the column of the horizontal axis.
        grain: how long its periods are, as ISO 8601 writes it; None as they are.
        by: columns that split it into series.
        stacked: whether series stand on each other.
        where: (column, value) that all rows have.
        rows: of a pivot table the columns of its rows.
    """

    title: str
    table: str
    kind: str
    metrics: tuple[str, ...]
    x: str | None = None
    grain: str | None = None
    by: tuple[str, ...] = ()
    stacked: bool = False
    where: tuple[tuple[str, str | int], ...] = ()
    rows: tuple[str, ...] = ()

    @property
    def contract(self) -> Table:
        """Of its table."""
        return TABLES[self.table]

    @property
    def file_name(self) -> str:
        """Of its file in a bundle."""
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower())

    def definition(self, home: Home) -> dict[str, Any]:
        """What an import makes a chart of."""
        return {
            "slice_name": self.title,
            "description": f"{self.contract.description} Periods that still run are shown too: "
            "is_complete says which.",
            "viz_type": self.kind,
            "params": self._params(),
            "uuid": home.id_of("chart", self.title),
            "dataset_uuid": home.id_of("dataset", self.table),
            "version": "1.0.0",
        }

    def _params(self) -> dict[str, Any]:
        common: dict[str, Any] = {
            "viz_type": self.kind,
            "metrics": [_metric(self.contract, metric) for metric in self.metrics],
            "adhoc_filters": [_filter(*condition) for condition in self.where],
            "row_limit": 50_000,
        }
        if self.kind == "pivot_table_v2":
            return {
                **common,
                "groupbyRows": list(self.rows),
                "groupbyColumns": list(self.by),
                "aggregateFunction": "Average",
                "valueFormat": ",.0f",
                "metricsLayout": "COLUMNS",
                "time_grain_sqla": self.grain,
                "temporal_columns_lookup": {self.rows[0]: True},
                "date_format": "%Y-%m",
            }
        return {
            **common,
            "x_axis": self.x,
            "time_grain_sqla": self.grain,
            "groupby": list(self.by),
            "stack": "Stack" if self.stacked else None,
            "show_legend": True,
            "rich_tooltip": True,
            "x_axis_title_margin": 15,
            "y_axis_format": "SMART_NUMBER",
            "truncate_metric": True,
            "sort_series_type": "name",
        }


def _metric(table: Table, metric: str) -> str | dict[str, Any]:
    name = metric.removeprefix("-")
    column = table.column(name)
    assert column and column.measure, f"{table.name} has no metric {name}"
    if name == metric:
        return metric
    label = f"{column.heading}, below zero"
    return {
        "expressionType": "SQL",
        "sqlExpression": f"-{column.measure.over_rows(name)}",
        "label": label,
        "hasCustomLabel": True,
        "optionName": f"metric_{label.lower().replace(' ', '_')}",
    }


def _filter(column: str, value: str | int) -> dict[str, Any]:
    return {
        "clause": "WHERE",
        "expressionType": "SIMPLE",
        "subject": column,
        "operator": "==",
        "comparator": value,
    }


_LINE, _BAR = "echarts_timeseries_line", "echarts_timeseries_bar"

CHARTS: Final = (
    DashboardChart(
        "Growth accounting by month",
        "social_capital_growth_accounting",
        _BAR,
        ("retained_users", "new_users", "resurrected_users", "-churned_users"),
        x="activity_month",
        grain="P1M",
        stacked=True,
    ),
    DashboardChart(
        "Quick ratio by month",
        "quick_ratio_analysis",
        _LINE,
        ("quick_ratio", "quick_ratio_3mo_avg"),
        x="activity_month",
        grain="P1M",
    ),
    DashboardChart(
        "Daily, weekly and monthly active users",
        "growth_metrics",
        _LINE,
        ("daily_active_users", "weekly_active_users_7d", "monthly_active_users_30d"),
        x="event_date",
        grain="P1D",
    ),
    DashboardChart(
        "Stickiness",
        "growth_metrics",
        _LINE,
        ("dau_mau_stickiness", "dau_wau_stickiness"),
        x="event_date",
        grain="P1D",
    ),
    DashboardChart(
        "Retention by first month",
        "retention_cohorts",
        "pivot_table_v2",
        ("retention_rate",),
        grain="P1M",
        rows=("cohort_month",),
        by=("period_number",),
    ),
    *(
        DashboardChart(
            f"Monthly active users by {kind}",
            "growth_by_segment_monthly",
            _BAR,
            ("total_mau",),
            x="activity_month",
            grain="P1M",
            by=("segment_value",),
            stacked=True,
            where=(("segment_type", kind),),
        )
        for kind in SEGMENTS
    ),
    DashboardChart(
        "Power users: active dates of the last 28",
        "engagement_distribution",
        _BAR,
        ("users",),
        x="event_date",
        grain="P1M",
        by=("active_days",),
        stacked=True,
        where=(("window_days", 28),),
    ),
    DashboardChart(
        "Returns by how long users were away",
        "user_resurrection_analysis",
        _BAR,
        (
            "short_dormancy_resurrections",
            "medium_dormancy_resurrections",
            "long_dormancy_resurrections",
            "very_long_dormancy_resurrections",
        ),
        x="event_date",
        grain="P1W",
        stacked=True,
    ),
    DashboardChart(
        "Events by type",
        "events_by_type",
        _BAR,
        ("events",),
        x="event_date",
        grain="P1W",
        by=("event_type",),
        stacked=True,
    ),
    DashboardChart(
        "Sessions",
        "session_metrics",
        _BAR,
        ("sessions", "single_event_sessions"),
        x="event_date",
        grain="P1W",
    ),
    DashboardChart(
        "Seconds a session takes",
        "session_metrics",
        _LINE,
        ("mean_session_seconds", "median_session_seconds"),
        x="event_date",
        grain="P1D",
    ),
    DashboardChart(
        "Miles earned and redeemed",
        "miles_analytics",
        _BAR,
        ("daily_miles_earned", "daily_miles_redeemed"),
        x="event_date",
        grain="P1W",
    ),
)
