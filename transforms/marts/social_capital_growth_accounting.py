"""social_capital_growth_accounting: one row per month."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import (
    DATE,
    FLOAT,
    INTEGER,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.arithmetic import percentage, previous, ratio
from transforms.kernels.spine import Spine
from transforms.marts.grades import Grades, Step
from transforms.marts.rules import (
    ALL_COHORTS,
    FIRST_OF_MONTH,
    IS_COMPLETE_MONTH,
    MONTHS_BEFORE_ARE_COMPLETE,
    NO_MISSING_MONTH,
    month_after_month,
    one_runs,
)
from transforms.marts.shared_columns import quick_ratio
from transforms.measures import USERS_OF_PERIOD, USERS_ONCE, percentage_of
from transforms.quality.declaration import (
    PERCENTAGE,
    AddsUp,
    Holds,
    References,
    Total,
    at_least,
    is_percentage,
)

_QUALITY = Grades(
    "quick_ratio",
    (
        Step("<", 1.0, "Declining"),
        Step("<", 1.5, "Typical Consumer"),
        Step("<", 2.0, "Good Consumer"),
    ),
    "Excellent Consumer",
    unknown="Unknown",
)

TABLE = Table(
    name="social_capital_growth_accounting",
    description="Monthly growth accounting after Social Capital: who came, stayed, returned, left.",
    columns=(
        required("activity_month", DATE, "First day of the month", label="Month"),
        required(
            "total_mau",
            INTEGER,
            "Users active in the month",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active users",
        ),
        required(
            "new_users",
            INTEGER,
            "Users whose first active month this is",
            at_least(0),
            measure=USERS_ONCE,
        ),
        required(
            "retained_users",
            INTEGER,
            "Users active in this and the previous month",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "resurrected_users",
            INTEGER,
            "Users active in this month and not in the previous one, but before",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Users who came back",
        ),
        required(
            "churned_users",
            INTEGER,
            "Users active in the previous month, not in this one",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable(
            "retention_rate_pct",
            FLOAT,
            "100 x retained / the previous month's MAU",
            PERCENTAGE,
            measure=percentage_of("retained_users", "previous_total_mau").of_row_before,
            label="Retention",
        ),
        quick_ratio("quick_ratio"),
        _QUALITY.column("growth_quality_category"),
        required(
            "verification_total",
            INTEGER,
            "new + retained + resurrected; always total_mau",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required("calculated_at", TIMESTAMP, "When the row was written"),
        IS_COMPLETE_MONTH,
    ),
    partition=Partition("activity_month", "MONTH"),
    primary_key=("activity_month",),
    written_at="calculated_at",
    checks=(
        FIRST_OF_MONTH,
        NO_MISSING_MONTH,
        MONTHS_BEFORE_ARE_COMPLETE,
        one_runs("social_capital_growth_accounting", "month", "previous_activity_month IS NULL"),
        References("activity_month", "quick_ratio_analysis", "activity_month"),
        Holds(
            "active_parts_add_up",
            "total_mau = new_users + retained_users + resurrected_users",
            "MAU = new + retained + resurrected",
        ),
        Holds(
            "verification_total_is_mau",
            "verification_total = total_mau",
            "verification_total is total_mau",
        ),
        Holds(
            "active_follows_month_before",
            month_after_month(
                "total_mau = new_users + resurrected_users - churned_users",
                "total_mau = previous_total_mau + new_users + resurrected_users - churned_users",
            ),
            "MAU = MAU of the month before + new + resurrected - churned",
        ),
        Holds(
            "retention_rate_pct.formula",
            month_after_month(
                "retention_rate_pct IS NULL",
                is_percentage(
                    "retention_rate_pct", "retained_users", "previous_total_mau"
                ).condition,
            ),
            "retention_rate_pct = 100 x retained / MAU of the month before",
        ),
        _QUALITY.check("growth_quality_category"),
        AddsUp(
            "new_users_are_all_cohorts",
            (Total("social_capital_growth_accounting", "new_users"),),
            (ALL_COHORTS,),
            "the new users of all months are the users of all cohorts",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    month = spine.monthly
    gained = month["new"] + month["resurrected"]
    quick_ratio = ratio(gained, month["churned"])
    return TABLE.build(
        {
            "activity_month": spine.months,
            "total_mau": month["active"],
            "new_users": month["new"],
            "retained_users": month["retained"],
            "resurrected_users": month["resurrected"],
            "churned_users": month["churned"],
            "retention_rate_pct": percentage(month["retained"], previous(month["active"])),
            "quick_ratio": quick_ratio,
            "growth_quality_category": _QUALITY.labels(quick_ratio),
            "verification_total": gained + month["retained"],
            "calculated_at": spine.stamps(len(spine.months)),
            "is_complete": spine.complete_months,
        }
    )
