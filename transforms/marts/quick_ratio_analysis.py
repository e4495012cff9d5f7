"""quick_ratio_analysis: one row per month."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, STRING, Partition, Table, nullable, required
from transforms.kernels.arithmetic import (
    Ints,
    Masks,
    exact,
    first_that_holds,
    moving_average_of_known,
    percentage,
    previous,
    ratio,
    rounded,
)
from transforms.kernels.spine import Spine
from transforms.marts.grades import Cases, Grades, Step
from transforms.marts.rules import IS_COMPLETE_MONTH, is_complete_of
from transforms.measures import RATIO, SCORE, ratio_of
from transforms.quality.declaration import Holds, References, at_least, between, one_of

_GROWTH = "social_capital_growth_accounting"
_RETENTION = f"{_GROWTH}.retention_rate_pct"
_SHRINKS, _GROWS_FAST = 1.0, 1.5
_STAYS_WELL, _LEAVES = 60, 40
_RETENTION_GRADES = Grades(
    _RETENTION,
    (
        Step(">=", 80, "Excellent (80%+)"),
        Step(">=", 60, "Good (60-80%)"),
        Step(">=", 40, "Average (40-60%)"),
        Step(">=", 20, "Below Average (20-40%)"),
    ),
    "Poor (<20%)",
)
_RATIO_GRADES = Grades(
    "quick_ratio",
    (
        Step(">=", 2.0, "Top Tier (2.0+)"),
        Step(">=", 1.5, "Strong (1.5-2.0)"),
        Step(">=", 1.0, "Healthy (1.0-1.5)"),
        Step(">=", 0.8, "Concerning (0.8-1.0)"),
    ),
    "Critical (<0.8)",
)
_STAGES = Grades(
    "the months since the first month",
    (Step("<", 6, "Early Stage"), Step("<=", 24, "Growth Stage")),
    "Mature Stage",
    always=True,
)
_RECOMMENDATION = Cases(
    (
        (f"quick_ratio < {_SHRINKS}", "Focus on reducing churn before growth"),
        (
            f"quick_ratio >= {_GROWS_FAST} AND {_RETENTION} >= {_STAYS_WELL}",
            "Invest heavily in user acquisition",
        ),
        (f"{_RETENTION} < {_LEAVES}", "Improve product stickiness and onboarding"),
        (f"{_GROWTH}.new_users = 0", "Restart user acquisition efforts"),
    ),
    "Optimize current growth strategy",
)
_CRITICAL_BELOW, _WARNED_BELOW = Fraction("1.0"), Fraction("1.2")
_LARGE_FALL, _LARGE_CHURN = Fraction("0.3"), Fraction("1.5")
_CRITICAL = f"CRITICAL: Quick Ratio Below {float(_CRITICAL_BELOW)}"
_DROPPED = f"WARNING: Quick Ratio Dropped Below {float(_WARNED_BELOW)}"
_DECLINED = f"WARNING: Quick Ratio Declined >{float(_LARGE_FALL)} Points"
_CHURNING = "WARNING: Churn Significantly Exceeding Growth"
OK = "OK"
_SCORE = (
    f"(50 * ({_GROWTH}.new_users + {_GROWTH}.resurrected_users) "
    f"/ NULLIF({_GROWTH}.churned_users, 0))"
)


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
        required("activity_month", DATE, "First day of the month", label="Month"),
        nullable(
            "quick_ratio",
            FLOAT,
            "(new + resurrected) / churned",
            at_least(0.0),
            measure=ratio_of("quick_ratio of social_capital_growth_accounting", RATIO),
        ),
        nullable(
            "quick_ratio_3mo_avg",
            FLOAT,
            "3-month moving average of quick_ratio",
            at_least(0.0),
            measure=ratio_of("the mean of three months of quick_ratio", RATIO),
            label="Mean of 3 months",
        ),
        required(
            "alert_level",
            STRING,
            f"OK, or the first alarm that holds: CRITICAL below {float(_CRITICAL_BELOW)}, WARNING "
            f"when it drops below {float(_WARNED_BELOW)}, falls by more than {float(_LARGE_FALL)}, "
            f"or churn exceeds {float(_LARGE_CHURN)} x growth; of a running month that of the last "
            "complete one, OK where there is none",
            one_of(OK, _CRITICAL, _DROPPED, _DECLINED, _CHURNING),
            label="Alert",
        ),
        nullable(
            "growth_quality_score",
            INTEGER,
            "min(100, 50 x quick_ratio), rounded half up",
            between(0, 100),
            measure=SCORE,
        ),
        _RETENTION_GRADES.column("retention_benchmark", "Grade of the month's retention_rate_pct"),
        _RATIO_GRADES.column("quick_ratio_benchmark", "Grade of quick_ratio"),
        _STAGES.column("business_stage"),
        _RECOMMENDATION.column(
            "strategic_recommendation",
            "What the month's figures suggest; of a running month what those of the last complete "
            "one do",
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
                f"(quick_ratio IS NOT NULL AND quick_ratio < {float(_CRITICAL_BELOW)}) "
                f"= (alert_level = '{_CRITICAL}')",
                f"the alert is critical where quick_ratio is below {float(_CRITICAL_BELOW)}, "
                "and only there",
            )
        ),
        _when_running("alert_level", OK),
        Holds(
            "growth_quality_score.formula",
            "CASE WHEN quick_ratio IS NULL THEN growth_quality_score IS NULL "
            # LEAST of NULL and 100 is NULL in BigQuery, and 100 in DuckDB.
            f"WHEN {_SCORE} > 100 THEN growth_quality_score = 100 "
            f"ELSE growth_quality_score = FLOOR({_SCORE} + 0.5) END",
            "growth_quality_score = min(100, 50 x quick_ratio), rounded half up",
        ),
        _RETENTION_GRADES.check("retention_benchmark"),
        _RATIO_GRADES.check("quick_ratio_benchmark"),
        _when_complete(_RECOMMENDATION.check("strategic_recommendation")),
        _when_running("strategic_recommendation", _RECOMMENDATION.otherwise),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    month = spine.monthly
    gained, churned = month["new"] + month["resurrected"], month["churned"]
    quick_ratio = ratio(gained, churned)
    retention = percentage(month["retained"], previous(month["active"]))
    judged = _last_complete(spine.complete_months)
    return TABLE.build(
        {
            "activity_month": spine.months,
            "quick_ratio": quick_ratio,
            "quick_ratio_3mo_avg": moving_average_of_known(quick_ratio, 3),
            "alert_level": _alert_level(gained, churned).take(judged).fill_null(OK),
            "growth_quality_score": rounded(np.minimum(ratio(50 * gained, churned), 100)),
            "retention_benchmark": _RETENTION_GRADES.labels(retention),
            "quick_ratio_benchmark": _RATIO_GRADES.labels(quick_ratio),
            "business_stage": _STAGES.labels(np.arange(len(spine.months))),
            "strategic_recommendation": _RECOMMENDATION.labels(
                quick_ratio < _SHRINKS,
                (quick_ratio >= _GROWS_FAST) & (retention >= _STAYS_WELL),
                retention < _LEAVES,
                month["new"] == 0,
            )
            .take(judged)
            .fill_null(_RECOMMENDATION.otherwise),
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
    is_below = known & _is_below(gained, churned, _WARNED_BELOW)
    was_above = before_known & ~_is_below(gained_before, churned_before, _WARNED_BELOW)
    return first_that_holds(
        [
            (known & _is_below(gained, churned, _CRITICAL_BELOW), _CRITICAL),
            (is_below & was_above, _DROPPED),
            (
                known & before_known & _fell(gained, churned, gained_before, churned_before),
                _DECLINED,
            ),
            (known & _is_below(gained, churned, 1 / _LARGE_CHURN), _CHURNING),
        ],
        OK,
    )


def _is_below(gained: Ints, churned: Ints, bound: Fraction) -> Masks:
    """Whether gained / churned lies below a bound, in integers (rule 7)."""
    below: Masks = bound.denominator * gained < bound.numerator * churned
    return below


def _fell(gained: Ints, churned: Ints, gained_before: Ints, churned_before: Ints) -> Masks:
    """Whether gained / churned fell by more, in integers: 1.8 to 1.5 is no fall of over 0.3."""
    now, before = exact(gained) * churned_before, exact(gained_before) * churned
    fell: Masks = (
        _LARGE_FALL.denominator * (before - now)
        > _LARGE_FALL.numerator * exact(churned) * churned_before
    )
    return fell
