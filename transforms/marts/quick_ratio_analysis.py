"""quick_ratio_analysis: one row per month."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, STRING, Partition, Table, nullable, required
from transforms.kernels.arithmetic import (
    Ints,
    Masks,
    exact,
    first_that_holds,
    graded,
    moving_average_of_known,
    percentage,
    previous,
    ratio,
    rounded,
)
from transforms.kernels.spine import Spine

TABLE = Table(
    name="quick_ratio_analysis",
    description="The monthly quick ratio read: trend, alert, benchmarks, what to do next.",
    columns=(
        required("activity_month", DATE, "First day of the month"),
        nullable("quick_ratio", FLOAT, "(new + resurrected) / churned"),
        nullable("quick_ratio_3mo_avg", FLOAT, "3-month moving average of quick_ratio"),
        required(
            "alert_level",
            STRING,
            "OK, or the first alarm that holds: CRITICAL below 1.0, WARNING when it drops below "
            "1.2, falls by more than 0.3, or churn exceeds 1.5 x growth",
        ),
        nullable("growth_quality_score", INTEGER, "min(100, 50 x quick_ratio), rounded half up"),
        nullable("retention_benchmark", STRING, "Grade of the month's retention_rate_pct"),
        nullable("quick_ratio_benchmark", STRING, "Grade of quick_ratio"),
        required(
            "business_stage",
            STRING,
            "By months since the first month: < 6 Early Stage, 6 to 24 Growth Stage, else Mature",
        ),
        required("strategic_recommendation", STRING, "What the month's figures suggest"),
    ),
    partition=Partition("activity_month", "MONTH"),
    primary_key=("activity_month",),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    month = spine.monthly
    gained, churned = month["new"] + month["resurrected"], month["churned"]
    quick_ratio = ratio(gained, churned)
    retention = percentage(month["retained"], previous(month["active"]))
    age = np.arange(len(spine.months))
    return TABLE.build(
        {
            "activity_month": spine.months,
            "quick_ratio": quick_ratio,
            "quick_ratio_3mo_avg": moving_average_of_known(quick_ratio, 3),
            "alert_level": _alert_level(gained, churned),
            "growth_quality_score": rounded(np.minimum(ratio(50 * gained, churned), 100)),
            "retention_benchmark": graded(
                retention,
                [
                    (80, "Excellent (80%+)"),
                    (60, "Good (60-80%)"),
                    (40, "Average (40-60%)"),
                    (20, "Below Average (20-40%)"),
                ],
                lowest="Poor (<20%)",
            ),
            "quick_ratio_benchmark": graded(
                quick_ratio,
                [
                    (2.0, "Top Tier (2.0+)"),
                    (1.5, "Strong (1.5-2.0)"),
                    (1.0, "Healthy (1.0-1.5)"),
                    (0.8, "Concerning (0.8-1.0)"),
                ],
                lowest="Critical (<0.8)",
            ),
            "business_stage": first_that_holds(
                [(age < 6, "Early Stage"), (age <= 24, "Growth Stage")], "Mature Stage"
            ),
            "strategic_recommendation": first_that_holds(
                [
                    (quick_ratio < 1.0, "Focus on reducing churn before growth"),
                    (
                        (quick_ratio >= 1.5) & (retention >= 60),
                        "Invest heavily in user acquisition",
                    ),
                    (retention < 40, "Improve product stickiness and onboarding"),
                    (month["new"] == 0, "Restart user acquisition efforts"),
                ],
                "Optimize current growth strategy",
            ),
        }
    )


def _alert_level(gained: Ints, churned: Ints) -> pa.Array:
    known = churned > 0
    gained_before, churned_before = previous(gained), previous(churned)
    before_known = churned_before > 0
    below_1_2 = known & (10 * gained < 12 * churned)
    was_above_1_2 = before_known & (10 * gained_before >= 12 * churned_before)
    return first_that_holds(
        [
            (known & (gained < churned), "CRITICAL: Quick Ratio Below 1.0"),
            (below_1_2 & was_above_1_2, "WARNING: Quick Ratio Dropped Below 1.2"),
            (
                known & before_known & _fell(gained, churned, gained_before, churned_before),
                "WARNING: Quick Ratio Declined >0.3 Points",
            ),
            (
                known & (2 * churned > 3 * gained),
                "WARNING: Churn Significantly Exceeding Growth",
            ),
        ],
        "OK",
    )


def _fell(gained: Ints, churned: Ints, gained_before: Ints, churned_before: Ints) -> Masks:
    """Whether gained / churned fell by more than 0.3, in integers: 1.8 to 1.5 is no such fall."""
    now, before = exact(gained) * churned_before, exact(gained_before) * churned
    fell: Masks = 10 * (before - now) > 3 * exact(churned) * churned_before
    return fell
