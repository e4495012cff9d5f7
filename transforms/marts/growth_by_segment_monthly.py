"""growth_by_segment_monthly: one row per month, segment and value."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, Partition, Table, nullable, required
from transforms.kernels.arithmetic import percentage, ratio
from transforms.kernels.calendar import first_days
from transforms.kernels.segment_periods import SegmentPeriods
from transforms.kernels.segments import segment_columns
from transforms.kernels.spine import Spine
from transforms.marts.rules import FIRST_OF_MONTH, IS_COMPLETE_MONTH
from transforms.marts.segment_rules import SEGMENT_TYPE, SEGMENT_VALUE, parts, sums_to_whole
from transforms.marts.shared_columns import quick_ratio
from transforms.measures import PERCENT, USERS_OF_PERIOD, ratio_of
from transforms.quality.declaration import (
    PERCENTAGE,
    Holds,
    References,
    at_least,
)

_NAME = "growth_by_segment_monthly"

TABLE = Table(
    name=_NAME,
    description="Monthly growth accounting by platform, channel and country of first events.",
    columns=(
        required("activity_month", DATE, "First day of the month", label="Month"),
        SEGMENT_TYPE,
        SEGMENT_VALUE,
        required(
            "total_mau",
            INTEGER,
            "Users active in the month",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active users",
        ),
        *parts("month"),
        nullable(
            "retention_rate_pct",
            FLOAT,
            "100 x retained / the previous month's MAU",
            PERCENTAGE,
            measure=ratio_of(
                "retained_users, and total_mau of the month before, in percent", PERCENT
            ),
            label="Retention",
        ),
        quick_ratio("quick_ratio"),
        IS_COMPLETE_MONTH,
    ),
    partition=Partition("activity_month", "MONTH"),
    primary_key=("activity_month", "segment_type", "segment_value"),
    checks=(
        FIRST_OF_MONTH,
        References("activity_month", "social_capital_growth_accounting", "activity_month"),
        Holds(
            "active_parts_add_up",
            "total_mau = new_users + retained_users + resurrected_users",
            "MAU = new + retained + resurrected",
        ),
        *sums_to_whole(_NAME, "total_mau", "social_capital_growth_accounting", "total_mau"),
        *sums_to_whole(_NAME, "churned_users", "social_capital_growth_accounting", "churned_users"),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users; from a value's first active month on."""
    sums = spine.counters
    last = spine.last_month
    first = last - len(spine.months) + 1
    found = SegmentPeriods.of(sums.segment_months, sums.segment_months, first, last)
    month = found.counters
    segment = segment_columns(found.segment)
    return TABLE.build(
        {
            "activity_month": first_days(found.period),
            "segment_type": segment.type,
            "segment_value": segment.value,
            "total_mau": month["active"],
            "new_users": month["new"],
            "retained_users": month["retained"],
            "resurrected_users": month["resurrected"],
            "churned_users": month["churned"],
            "retention_rate_pct": percentage(month["retained"], found.previous_active),
            "quick_ratio": ratio(month["new"] + month["resurrected"], month["churned"]),
            "is_complete": np.asarray(found.period < last),
        }
    )
