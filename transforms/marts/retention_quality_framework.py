"""retention_quality_framework: one row per date."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, STRING, Partition, Table, nullable, required
from transforms.kernels.arithmetic import first_that_holds, graded, percentage, ratio, rounded
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, is_complete_of
from transforms.quality.declaration import (
    PERCENTAGE,
    Holds,
    at_least,
    between,
    is_label,
    is_percentage,
    is_rounded,
    one_of,
)

_RETURNS = "user_resurrection_analysis"
_GRADES = ((80, "Excellent"), (60, "Good"), (40, "Average"), (20, "Below Average"))

TABLE = Table(
    name="retention_quality_framework",
    description="How old the active users of a date are, and how steadily they come.",
    columns=(
        required("event_date", DATE, "UTC date"),
        required("daily_active_users", INTEGER, "Users active on the date (DAU)", at_least(0)),
        required(
            "new_stage_users",
            INTEGER,
            "Of them, 0-7 days after their first active date",
            at_least(0),
        ),
        required("growing_stage_users", INTEGER, "8-30 days after it", at_least(0)),
        required("established_stage_users", INTEGER, "31-90 days after it", at_least(0)),
        required("mature_stage_users", INTEGER, "More than 90 days after it", at_least(0)),
        required(
            "users_consecutive_today", INTEGER, "Users active today and yesterday", at_least(0)
        ),
        nullable("consecutive_today_pct", FLOAT, "In percent of daily_active_users", PERCENTAGE),
        nullable(
            "daily_retention_health_score",
            INTEGER,
            "100 x (3 x consecutive + 2 x returned after 2-7 days + returned after more) "
            "/ (3 x DAU), rounded half up",
            between(0, 100),
        ),
        nullable(
            "retention_quality_category",
            STRING,
            "Of consecutive_today_pct: >= 80 Excellent, >= 60 Good, >= 40 Average, "
            ">= 20 Below Average, else Poor",
            one_of(*(name for _, name in _GRADES), "Poor"),
        ),
        nullable(
            "engagement_trend",
            STRING,
            "Of consecutive_today_pct: > 70 High, >= 40 Moderate, else Low Engagement",
            one_of("High Engagement", "Moderate Engagement", "Low Engagement"),
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    checks=(
        DATES,
        is_complete_of("growth_metrics"),
        Holds(
            "daily_active_users_of_growth_metrics",
            "daily_active_users = growth_metrics.daily_active_users",
            "daily_active_users is that of growth_metrics",
        ),
        Holds(
            "stages_add_up",
            "daily_active_users = new_stage_users + growing_stage_users + established_stage_users "
            "+ mature_stage_users",
            "the four lifecycle stages add up to DAU",
        ),
        Holds(
            "consecutive_are_retained",
            "users_consecutive_today = growth_metrics.retained_users",
            "users_consecutive_today is retained_users of growth_metrics",
        ),
        is_percentage("consecutive_today_pct", "users_consecutive_today", "daily_active_users"),
        is_rounded(
            "daily_retention_health_score",
            "100 * (3 * users_consecutive_today "
            f"+ 2 * {_RETURNS}.short_dormancy_resurrections "
            f"+ {_RETURNS}.medium_dormancy_resurrections + {_RETURNS}.long_dormancy_resurrections "
            f"+ {_RETURNS}.very_long_dormancy_resurrections)",
            "(3 * daily_active_users)",
        ),
        is_label(
            "retention_quality_category",
            tuple((f"consecutive_today_pct >= {low}", name) for low, name in _GRADES),
            "Poor",
            unknown="consecutive_today_pct IS NULL",
        ),
        is_label(
            "engagement_trend",
            (
                ("consecutive_today_pct > 70", "High Engagement"),
                ("consecutive_today_pct >= 40", "Moderate Engagement"),
            ),
            "Low Engagement",
            unknown="consecutive_today_pct IS NULL",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    active, consecutive = day["active"], day["retained"]
    returning_long = day["dormant_medium"] + day["dormant_long"] + day["dormant_very_long"]
    points = 3 * consecutive + 2 * day["dormant_short"] + returning_long
    consecutive_pct = percentage(consecutive, active)
    return TABLE.build(
        {
            "event_date": spine.dates,
            "daily_active_users": active,
            "new_stage_users": day["stage_new"],
            "growing_stage_users": day["stage_growing"],
            "established_stage_users": day["stage_established"],
            "mature_stage_users": day["stage_mature"],
            "users_consecutive_today": consecutive,
            "consecutive_today_pct": consecutive_pct,
            "daily_retention_health_score": rounded(ratio(100 * points, 3 * active)),
            "retention_quality_category": graded(
                consecutive_pct,
                _GRADES,
                lowest="Poor",
            ),
            "engagement_trend": first_that_holds(
                [
                    (consecutive_pct > 70, "High Engagement"),
                    (consecutive_pct >= 40, "Moderate Engagement"),
                    (~np.isnan(consecutive_pct), "Low Engagement"),
                ],
                None,
            ),
            "is_complete": spine.complete_dates,
        }
    )
