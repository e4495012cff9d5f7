"""weekly_growth_accounting: one row per week."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import (
    DATE,
    FLOAT,
    INTEGER,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.arithmetic import percentage, previous, ratio
from transforms.kernels.spine import Spine
from transforms.marts.rules import ALL_COHORTS, is_complete, one_runs
from transforms.marts.shared_columns import quick_ratio
from transforms.measures import USERS_OF_PERIOD, USERS_ONCE, percentage_of
from transforms.quality.declaration import (
    PERCENTAGE,
    AddsUp,
    Holds,
    Total,
    at_least,
    is_percentage,
)

_FOLLOWS = "UNIX_DATE(activity_week) = UNIX_DATE(previous_activity_week) + 7"

TABLE = Table(
    name="weekly_growth_accounting",
    description="Weekly growth accounting: who came, stayed, returned, left.",
    columns=(
        required(
            "activity_week",
            DATE,
            "First day of the week: Monday, or as --week_start says",
            label="Week of",
        ),
        required(
            "total_wau",
            INTEGER,
            "Users active in the week",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active users",
        ),
        required(
            "new_users",
            INTEGER,
            "Users whose first active week this is",
            at_least(0),
            measure=USERS_ONCE,
        ),
        required(
            "retained_users",
            INTEGER,
            "Users active in this and the previous week",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "resurrected_users",
            INTEGER,
            "Users active in this week and not in the previous one, but before",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Users who came back",
        ),
        required(
            "churned_users",
            INTEGER,
            "Users active in the previous week, not in this one",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable(
            "retention_rate_pct",
            FLOAT,
            "100 x retained / the previous week's WAU",
            PERCENTAGE,
            measure=percentage_of("retained_users", "previous_total_wau").of_row_before,
            label="Retention",
        ),
        quick_ratio("quick_ratio"),
        is_complete("week", "a later week"),
    ),
    partition=Partition("activity_week", "MONTH"),
    primary_key=("activity_week",),
    checks=(
        Holds(
            "activity_week_is_monday",
            # 1969-12-29 was one.
            "MOD(UNIX_DATE(activity_week) + 3, 7) = 0",
            "activity_week is a Monday",
        ),
        Holds(
            "no_missing_week",
            "UNIX_DATE(activity_week) <= UNIX_DATE(previous_activity_week) + 7",
            "every week from the first to the last has a row",
        ),
        Holds(
            "weeks_before_are_complete",
            "previous_is_complete",
            "a week before another is complete",
        ),
        one_runs("weekly_growth_accounting", "week", "previous_activity_week IS NULL"),
        Holds(
            "active_parts_add_up",
            "total_wau = new_users + retained_users + resurrected_users",
            "WAU = new + retained + resurrected",
        ),
        Holds(
            "active_follows_week_before",
            "CASE WHEN previous_activity_week IS NULL "
            "THEN total_wau = new_users + resurrected_users - churned_users "
            f"WHEN {_FOLLOWS} THEN total_wau "
            "= previous_total_wau + new_users + resurrected_users - churned_users END",
            "WAU = WAU of the week before + new + resurrected - churned",
        ),
        Holds(
            "retention_rate_pct.formula",
            "CASE WHEN previous_activity_week IS NULL THEN retention_rate_pct IS NULL "
            f"WHEN {_FOLLOWS} THEN "
            + is_percentage("retention_rate_pct", "retained_users", "previous_total_wau").condition
            + " END",
            "retention_rate_pct = 100 x retained / WAU of the week before",
        ),
        AddsUp(
            "new_users_are_all_cohorts",
            (Total("weekly_growth_accounting", "new_users"),),
            (ALL_COHORTS,),
            "the new users of all weeks are the users of all cohorts",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    week = spine.weekly
    return TABLE.build(
        {
            "activity_week": spine.weeks,
            "total_wau": week["active"],
            "new_users": week["new"],
            "retained_users": week["retained"],
            "resurrected_users": week["resurrected"],
            "churned_users": week["churned"],
            "retention_rate_pct": percentage(week["retained"], previous(week["active"])),
            "quick_ratio": ratio(week["new"] + week["resurrected"], week["churned"]),
            "is_complete": spine.complete_weeks,
        }
    )
