"""growth_by_segment: one row per date, segment and value."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import Partition, Table
from transforms.kernels.arithmetic import percentage, ratio
from transforms.kernels.calendar import as_dates
from transforms.kernels.segment_periods import SegmentPeriods
from transforms.kernels.segments import segment_columns
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE
from transforms.marts.segment_rules import SEGMENT_TYPE, SEGMENT_VALUE, parts, sums_to_whole
from transforms.marts.shared_columns import ACTIVE_WINDOWS, DAU, DAU_MAU, EVENT_DATE, quick_ratio
from transforms.quality.declaration import Holds

_NAME = "growth_by_segment"

TABLE = Table(
    name=_NAME,
    description="Daily growth accounting by platform, channel and country of users' first events.",
    columns=(
        EVENT_DATE,
        SEGMENT_TYPE,
        SEGMENT_VALUE,
        DAU,
        *parts("date"),
        quick_ratio("daily_quick_ratio"),
        *ACTIVE_WINDOWS,
        DAU_MAU,
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date", "segment_type", "segment_value"),
    checks=(
        DATES,
        Holds(
            "active_parts_add_up",
            "daily_active_users = new_users + retained_users + resurrected_users",
            "DAU = new + retained + resurrected",
        ),
        Holds(
            "windows_hold_each_other",
            "daily_active_users <= weekly_active_users_7d "
            "AND weekly_active_users_7d <= active_users_28d "
            "AND active_users_28d <= monthly_active_users_30d",
            "DAU <= WAU <= users of 28 days <= MAU",
        ),
        *sums_to_whole(_NAME, "daily_active_users", "growth_metrics", "daily_active_users"),
        *sums_to_whole(_NAME, "new_users", "growth_metrics", "new_users"),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users; from a value's first active date on."""
    sums = spine.counters
    found = SegmentPeriods.of(
        sums.segment_days, sums.segment_months, spine.first_day, spine.last_day
    )
    day = found.counters
    active, mau = day["active"], day["window_30"]
    resurrected = active - day["new"] - day["retained"]
    segment = segment_columns(found.segment)
    return TABLE.build(
        {
            "event_date": as_dates(found.period),
            "segment_type": segment.type,
            "segment_value": segment.value,
            "daily_active_users": active,
            "new_users": day["new"],
            "retained_users": day["retained"],
            "resurrected_users": resurrected,
            "churned_users": day["churned"],
            "daily_quick_ratio": ratio(day["new"] + resurrected, day["churned"]),
            "weekly_active_users_7d": day["window_7"],
            "active_users_28d": day["window_28"],
            "monthly_active_users_30d": mau,
            "dau_mau_stickiness": percentage(active, mau),
            "is_complete": np.asarray(found.period < spine.last_day),
        }
    )
