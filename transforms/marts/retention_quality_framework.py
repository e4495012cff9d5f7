"""retention_quality_framework: one row per date."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import FLOAT, INTEGER, Partition, Table, nullable, required
from transforms.kernels.arithmetic import percentage, ratio, rounded
from transforms.kernels.counters import DORMANCIES, STAGES
from transforms.kernels.spine import Spine
from transforms.marts.grades import Grades, Step
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, is_complete_of
from transforms.marts.shared_columns import DAU, EVENT_DATE
from transforms.measures import SCORE, USERS_OF_PERIOD, percentage_of
from transforms.quality.declaration import (
    PERCENTAGE,
    Holds,
    at_least,
    between,
    is_rounded,
)

_NEW, _GROWING, _ESTABLISHED, _MATURE = STAGES
_RETURNS = "user_resurrection_analysis"
_CATEGORY = Grades(
    "consecutive_today_pct",
    (
        Step(">=", 80, "Excellent"),
        Step(">=", 60, "Good"),
        Step(">=", 40, "Average"),
        Step(">=", 20, "Below Average"),
    ),
    "Poor",
)
_ENGAGEMENT = Grades(
    "consecutive_today_pct",
    (Step(">", 70, "High Engagement"), Step(">=", 40, "Moderate Engagement")),
    "Low Engagement",
)

TABLE = Table(
    name="retention_quality_framework",
    description="How old the active users of a date are, and how steadily they come.",
    columns=(
        EVENT_DATE,
        DAU,
        required(
            "new_stage_users",
            INTEGER,
            f"Of them, {_NEW.text} after their first active date",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label=f"New: {_NEW.text}",
        ),
        required(
            "growing_stage_users",
            INTEGER,
            f"{_GROWING.text} after it",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label=f"Growing: {_GROWING.text}",
        ),
        required(
            "established_stage_users",
            INTEGER,
            f"{_ESTABLISHED.text} after it",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label=f"Established: {_ESTABLISHED.text}",
        ),
        required(
            "mature_stage_users",
            INTEGER,
            f"{_MATURE.text.capitalize()} after it",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label=f"Mature: {_MATURE.text}",
        ),
        required(
            "users_consecutive_today",
            INTEGER,
            "Users active today and yesterday",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable(
            "consecutive_today_pct",
            FLOAT,
            "In percent of daily_active_users",
            PERCENTAGE,
            measure=percentage_of("users_consecutive_today", "daily_active_users"),
        ),
        nullable(
            "daily_retention_health_score",
            INTEGER,
            f"100 x (3 x consecutive + 2 x returned after {DORMANCIES[0].text} + returned after "
            "more) / (3 x DAU), rounded half up",
            between(0, 100),
            measure=SCORE,
        ),
        _CATEGORY.column("retention_quality_category"),
        _ENGAGEMENT.column("engagement_trend"),
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
        is_rounded(
            "daily_retention_health_score",
            "100 * (3 * users_consecutive_today "
            f"+ 2 * {_RETURNS}.short_dormancy_resurrections "
            f"+ {_RETURNS}.medium_dormancy_resurrections + {_RETURNS}.long_dormancy_resurrections "
            f"+ {_RETURNS}.very_long_dormancy_resurrections)",
            "(3 * daily_active_users)",
        ),
        _CATEGORY.check("retention_quality_category"),
        _ENGAGEMENT.check("engagement_trend"),
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
            "retention_quality_category": _CATEGORY.labels(consecutive_pct),
            "engagement_trend": _ENGAGEMENT.labels(consecutive_pct),
            "is_complete": spine.complete_dates,
        }
    )
