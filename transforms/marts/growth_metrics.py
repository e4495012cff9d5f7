"""growth_metrics: one row per date."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import (
    DATE,
    FLOAT,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.arithmetic import (
    Ints,
    first_that_holds,
    graded,
    moving_average,
    moving_sum,
    percentage,
    previous,
    ratio,
)
from transforms.kernels.counters import DORMANCIES
from transforms.kernels.spine import Spine

_OF_DAU = "in percent of daily_active_users"

TABLE = Table(
    name="growth_metrics",
    description="Daily growth accounting, rolling active users and stickiness.",
    columns=(
        required("event_date", DATE, "UTC date"),
        required("daily_active_users", INTEGER, "Users active on the date (DAU)"),
        required("new_users", INTEGER, "Users whose first active date this is"),
        required("retained_users", INTEGER, "Users active on this date and the day before"),
        required(
            "resurrected_users",
            INTEGER,
            "Users active on this date and not the day before, but earlier",
        ),
        required("churned_users", INTEGER, "Users active the day before and not on this date"),
        nullable("dau_growth", INTEGER, "DAU less the DAU of the day before"),
        nullable("new_users_pct", FLOAT, f"New users {_OF_DAU}"),
        nullable("retained_users_pct", FLOAT, f"Retained users {_OF_DAU}"),
        nullable("resurrected_users_pct", FLOAT, f"Resurrected users {_OF_DAU}"),
        nullable("daily_quick_ratio", FLOAT, "(new + resurrected) / churned"),
        nullable("day_over_day_retention_pct", FLOAT, "100 x retained / the day before's DAU"),
        required("weekly_active_users_7d", INTEGER, "Distinct users of the last 7 days (WAU)"),
        required("active_users_28d", INTEGER, "Distinct users of the last 28 days"),
        required("monthly_active_users_30d", INTEGER, "Distinct users of the last 30 days (MAU)"),
        required("weekly_avg_dau", FLOAT, "7-day moving average of DAU"),
        required("monthly_avg_dau", FLOAT, "30-day moving average of DAU"),
        nullable("dau_wau_stickiness", FLOAT, "100 x DAU / WAU over 7 days"),
        nullable("dau_mau_stickiness", FLOAT, "100 x DAU / MAU over 30 days"),
        nullable("wau_mau_stickiness", FLOAT, "100 x WAU over 7 days / MAU over 30 days"),
        required(
            "daily_growth_quality",
            STRING,
            "Of daily_quick_ratio: none Unknown, < 1.0 Declining, < 1.5 Healthy, else Strong",
        ),
        required(
            "activity_trend_7d",
            STRING,
            "DAU against the mean of the seven days before: Trending Up, Trending Down or Stable",
        ),
        required("calculated_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    written_at="calculated_at",
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    active, churned = day["active"], day["churned"]
    resurrected = sum((day[f"dormant_{name}"] for name in DORMANCIES), start=np.zeros_like(active))
    quick_ratio = ratio(day["new"] + resurrected, churned)
    last_7, last_28, last_30 = (np.cumsum(day[f"window_{days}"]) for days in (7, 28, 30))
    growth = pa.array(active - previous(active), mask=np.arange(len(active)) == 0)
    return TABLE.build(
        {
            "event_date": spine.dates,
            "daily_active_users": active,
            "new_users": day["new"],
            "retained_users": day["retained"],
            "resurrected_users": resurrected,
            "churned_users": churned,
            "dau_growth": growth,
            "new_users_pct": percentage(day["new"], active),
            "retained_users_pct": percentage(day["retained"], active),
            "resurrected_users_pct": percentage(resurrected, active),
            "daily_quick_ratio": quick_ratio,
            "day_over_day_retention_pct": percentage(day["retained"], previous(active)),
            "weekly_active_users_7d": last_7,
            "active_users_28d": last_28,
            "monthly_active_users_30d": last_30,
            "weekly_avg_dau": moving_average(active, 7),
            "monthly_avg_dau": moving_average(active, 30),
            "dau_wau_stickiness": percentage(active, last_7),
            "dau_mau_stickiness": percentage(active, last_30),
            "wau_mau_stickiness": percentage(last_7, last_30),
            "daily_growth_quality": graded(
                quick_ratio,
                [(1.5, "Strong"), (1.0, "Healthy")],
                lowest="Declining",
                unknown="Unknown",
            ),
            "activity_trend_7d": _trend(active),
            "calculated_at": spine.stamps(len(spine.dates)),
        }
    )


def _trend(active: Ints) -> pa.Array:
    """DAU against the mean of up to seven days before, compared as integers (rule 7)."""
    total, days = (previous(values) for values in moving_sum(active, 7))
    return first_that_holds(
        [
            ((days > 0) & (active * days > total), "Trending Up"),
            ((days > 0) & (active * days < total), "Trending Down"),
        ],
        "Stable",
    )
