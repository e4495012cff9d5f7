"""quick_ratio_analysis: one row per month."""

from __future__ import annotations

from dataclasses import replace

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
from transforms.marts.rules import IS_COMPLETE_MONTH, is_complete_of
from transforms.quality.declaration import Holds, References, at_least, between, is_label, one_of

_GROWTH = "social_capital_growth_accounting"
_RETENTION = f"{_GROWTH}.retention_rate_pct"
_RETENTION_GRADES = (
    (80, "Excellent (80%+)"),
    (60, "Good (60-80%)"),
    (40, "Average (40-60%)"),
    (20, "Below Average (20-40%)"),
)
_RATIO_GRADES = (
    (2.0, "Top Tier (2.0+)"),
    (1.5, "Strong (1.5-2.0)"),
    (1.0, "Healthy (1.0-1.5)"),
    (0.8, "Concerning (0.8-1.0)"),
)
_RECOMMENDATIONS = (
    ("quick_ratio < 1.0", "Focus on reducing churn before growth"),
    (f"quick_ratio >= 1.5 AND {_RETENTION} >= 60", "Invest heavily in user acquisition"),
    (f"{_RETENTION} < 40", "Improve product stickiness and onboarding"),
    (f"{_GROWTH}.new_users = 0", "Restart user acquisition efforts"),
)
_SCORE = (
    f"(50 * ({_GROWTH}.new_users + {_GROWTH}.resurrected_users) "
    f"/ NULLIF({_GROWTH}.churned_users, 0))"
)
_OTHERWISE = "Optimize current growth strategy"


def _when_complete(rule: Holds) -> Holds:
    """A rule of complete months alone: a running one is not judged."""
    return replace(
        rule,
        condition=f"CASE WHEN is_complete THEN {rule.condition} END",
        description=f"{rule.description}; of complete months",
    )


def _when_running(column: str, otherwise: str) -> Holds:
    """A running month says what the last complete one does."""
    return Holds(
        f"{column}_of_running_month",
        f"CASE WHEN NOT is_complete THEN {column} = COALESCE(previous_{column}, '{otherwise}') END",
        f"{column} of a running month is that of the month before, {otherwise} where there is none",
    )


TABLE = Table(
    name="quick_ratio_analysis",
    description="The monthly quick ratio read: trend, alert, benchmarks, what to do next.",
    columns=(
        required("activity_month", DATE, "First day of the month"),
        nullable("quick_ratio", FLOAT, "(new + resurrected) / churned", at_least(0.0)),
        nullable(
            "quick_ratio_3mo_avg", FLOAT, "3-month moving average of quick_ratio", at_least(0.0)
        ),
        required(
            "alert_level",
            STRING,
            "OK, or the first alarm that holds: CRITICAL below 1.0, WARNING when it drops below "
            "1.2, falls by more than 0.3, or churn exceeds 1.5 x growth; of a running month that "
            "of the last complete one, OK where there is none",
            one_of(
                "OK",
                "CRITICAL: Quick Ratio Below 1.0",
                "WARNING: Quick Ratio Dropped Below 1.2",
                "WARNING: Quick Ratio Declined >0.3 Points",
                "WARNING: Churn Significantly Exceeding Growth",
            ),
        ),
        nullable(
            "growth_quality_score",
            INTEGER,
            "min(100, 50 x quick_ratio), rounded half up",
            between(0, 100),
        ),
        nullable(
            "retention_benchmark",
            STRING,
            "Grade of the month's retention_rate_pct",
            one_of(*(name for _, name in _RETENTION_GRADES), "Poor (<20%)"),
        ),
        nullable(
            "quick_ratio_benchmark",
            STRING,
            "Grade of quick_ratio",
            one_of(*(name for _, name in _RATIO_GRADES), "Critical (<0.8)"),
        ),
        required(
            "business_stage",
            STRING,
            "By months since the first month: < 6 Early Stage, 6 to 24 Growth Stage, else Mature",
            one_of("Early Stage", "Growth Stage", "Mature Stage"),
        ),
        required(
            "strategic_recommendation",
            STRING,
            "What the month's figures suggest; of a running month what those of the last complete "
            "one do",
            one_of(*(name for _, name in _RECOMMENDATIONS), _OTHERWISE),
        ),
        IS_COMPLETE_MONTH,
    ),
    partition=Partition("activity_month", "MONTH"),
    primary_key=("activity_month",),
    checks=(
        References("activity_month", _GROWTH, "activity_month"),
        is_complete_of(_GROWTH),
        Holds(
            "quick_ratio_of_growth_accounting",
            f"CASE WHEN quick_ratio IS NULL THEN {_GROWTH}.churned_users = 0 "
            f"ELSE quick_ratio = {_GROWTH}.quick_ratio END",
            f"quick_ratio is that of {_GROWTH}",
        ),
        _when_complete(
            Holds(
                "critical_below_one",
                "(quick_ratio IS NOT NULL AND quick_ratio < 1.0) "
                "= (alert_level = 'CRITICAL: Quick Ratio Below 1.0')",
                "the alert is critical where quick_ratio is below 1.0, and only there",
            )
        ),
        _when_running("alert_level", "OK"),
        Holds(
            "growth_quality_score.formula",
            "CASE WHEN quick_ratio IS NULL THEN growth_quality_score IS NULL "
            # LEAST of NULL and 100 is NULL in BigQuery, and 100 in DuckDB.
            f"WHEN {_SCORE} > 100 THEN growth_quality_score = 100 "
            f"ELSE growth_quality_score = FLOOR({_SCORE} + 0.5) END",
            "growth_quality_score = min(100, 50 x quick_ratio), rounded half up",
        ),
        is_label(
            "retention_benchmark",
            tuple((f"{_RETENTION} >= {low}", name) for low, name in _RETENTION_GRADES),
            "Poor (<20%)",
            unknown=f"{_RETENTION} IS NULL",
        ),
        is_label(
            "quick_ratio_benchmark",
            tuple((f"quick_ratio >= {low}", name) for low, name in _RATIO_GRADES),
            "Critical (<0.8)",
            unknown="quick_ratio IS NULL",
        ),
        _when_complete(is_label("strategic_recommendation", _RECOMMENDATIONS, _OTHERWISE)),
        _when_running("strategic_recommendation", _OTHERWISE),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    month = spine.monthly
    gained, churned = month["new"] + month["resurrected"], month["churned"]
    quick_ratio = ratio(gained, churned)
    retention = percentage(month["retained"], previous(month["active"]))
    age = np.arange(len(spine.months))
    judged = _last_complete(spine.complete_months)
    return TABLE.build(
        {
            "activity_month": spine.months,
            "quick_ratio": quick_ratio,
            "quick_ratio_3mo_avg": moving_average_of_known(quick_ratio, 3),
            "alert_level": _alert_level(gained, churned).take(judged).fill_null("OK"),
            "growth_quality_score": rounded(np.minimum(ratio(50 * gained, churned), 100)),
            "retention_benchmark": graded(
                retention,
                _RETENTION_GRADES,
                lowest="Poor (<20%)",
            ),
            "quick_ratio_benchmark": graded(
                quick_ratio,
                _RATIO_GRADES,
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
                _OTHERWISE,
            )
            .take(judged)
            .fill_null(_OTHERWISE),
            "is_complete": spine.complete_months,
        }
    )


def _last_complete(complete: Masks) -> pa.Array:
    """For each month the row of the last complete one up to it; NULL where there is none."""
    row = np.where(complete, np.arange(len(complete)), -1)
    last = np.maximum.accumulate(row)
    return pa.array(last, mask=last < 0)


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
