"""user_resurrection_analysis: one row per date."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import FLOAT, INTEGER, Partition, Table, nullable, required
from transforms.kernels.arithmetic import (
    moving_average,
    moving_average_of_known,
    percentage,
    ratio,
)
from transforms.kernels.counters import DORMANCIES
from transforms.kernels.spine import Spine
from transforms.marts.grades import Cases, Grades, Step
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, is_complete_of
from transforms.marts.shared_columns import EVENT_DATE
from transforms.measures import (
    DAYS,
    PERCENT,
    POINTS,
    RETURNS,
    RETURNS_ONCE,
    average_of,
    percentage_of,
    quotient,
    ratio_of,
)
from transforms.quality.declaration import PERCENTAGE, Holds, at_least, between

_SHORT, _MEDIUM, _LONG, _VERY_LONG = DORMANCIES
_CATEGORY = Grades(
    "resurrection_pct_of_dau",
    (
        Step(">=", 30, "Excellent"),
        Step(">=", 20, "Good"),
        Step(">=", 10, "Average"),
        Step(">=", 5, "Below Average"),
    ),
    "Poor",
)
_PATTERN = Cases(
    (
        ("total_resurrections = 0", "No Resurrections"),
        (
            "short_dormancy_resurrections > medium_dormancy_resurrections "
            "+ long_dormancy_resurrections",
            "Quick Return Focus",
        ),
        (
            "long_dormancy_resurrections + very_long_dormancy_resurrections "
            "> short_dormancy_resurrections",
            "Long-term Recovery",
        ),
    ),
    "Balanced Recovery",
)

TABLE = Table(
    name="user_resurrection_analysis",
    description="Who came back on a date, and after how long. Dormancy = days between the return "
    "and the last active date before it, 2 or more.",
    columns=(
        EVENT_DATE,
        required(
            "total_resurrections",
            INTEGER,
            "Users who came back on the date",
            at_least(0),
            measure=RETURNS_ONCE,
        ),
        required(
            "short_dormancy_resurrections",
            INTEGER,
            f"After a dormancy of {_SHORT.text}",
            at_least(0),
            measure=RETURNS_ONCE,
            label=f"After {_SHORT.text}",
        ),
        required(
            "medium_dormancy_resurrections",
            INTEGER,
            f"After {_MEDIUM.text}",
            at_least(0),
            measure=RETURNS_ONCE,
            label=f"After {_MEDIUM.text}",
        ),
        required(
            "long_dormancy_resurrections",
            INTEGER,
            f"After {_LONG.text}",
            at_least(0),
            measure=RETURNS_ONCE,
            label=f"After {_LONG.text}",
        ),
        required(
            "very_long_dormancy_resurrections",
            INTEGER,
            f"After {_VERY_LONG.text}",
            at_least(0),
            measure=RETURNS_ONCE,
            label=f"After {_VERY_LONG.text}",
        ),
        nullable(
            "resurrection_pct_of_dau",
            FLOAT,
            "100 x resurrections / DAU",
            PERCENTAGE,
            measure=percentage_of("total_resurrections", "growth_metrics.daily_active_users"),
        ),
        nullable(
            "avg_dormancy_length",
            FLOAT,
            "Mean dormancy, in days",
            at_least(2.0),
            measure=average_of(DAYS),
        ),
        nullable(
            "resurrection_effectiveness_score",
            FLOAT,
            "100 x (short + 2 x medium + 3 x long + 4 x very long) / DAU",
            between(0.0, 400.0),
            measure=quotient(
                "(short_dormancy_resurrections + 2 * medium_dormancy_resurrections "
                "+ 3 * long_dormancy_resurrections + 4 * very_long_dormancy_resurrections)",
                "growth_metrics.daily_active_users",
                POINTS,
                100,
            ),
        ),
        _CATEGORY.column("resurrection_quality_category"),
        _PATTERN.column(
            "resurrection_pattern",
            "No Resurrections, Quick Return Focus, Long-term Recovery or Balanced Recovery",
        ),
        required(
            "avg_7d_resurrections",
            FLOAT,
            "7-day moving average of total_resurrections",
            at_least(0.0),
            measure=average_of(RETURNS),
        ),
        nullable(
            "avg_7d_resurrection_pct",
            FLOAT,
            "7-day moving average of resurrection_pct_of_dau",
            PERCENTAGE,
            measure=ratio_of("the mean of seven days of resurrection_pct_of_dau", PERCENT),
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    checks=(
        DATES,
        is_complete_of("growth_metrics"),
        Holds(
            "total_of_growth_metrics",
            "total_resurrections = growth_metrics.resurrected_users",
            "total_resurrections is resurrected_users of growth_metrics",
        ),
        Holds(
            "dormancies_add_up",
            "total_resurrections = short_dormancy_resurrections + medium_dormancy_resurrections "
            "+ long_dormancy_resurrections + very_long_dormancy_resurrections",
            "the four dormancy buckets add up to all resurrections",
        ),
        Holds(
            "avg_dormancy_length_known",
            "(avg_dormancy_length IS NULL) = (total_resurrections = 0)",
            "avg_dormancy_length is NULL where nobody came back, and only there",
        ),
        _CATEGORY.check("resurrection_quality_category"),
        _PATTERN.check("resurrection_pattern"),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    active = day["active"]
    short, medium = day["dormant_short"], day["dormant_medium"]
    long, very_long = day["dormant_long"], day["dormant_very_long"]
    total = short + medium + long + very_long
    pct = percentage(total, active)
    return TABLE.build(
        {
            "event_date": spine.dates,
            "total_resurrections": total,
            "short_dormancy_resurrections": short,
            "medium_dormancy_resurrections": medium,
            "long_dormancy_resurrections": long,
            "very_long_dormancy_resurrections": very_long,
            "resurrection_pct_of_dau": pct,
            "avg_dormancy_length": ratio(day["dormant_days"], total),
            "resurrection_effectiveness_score": percentage(
                short + 2 * medium + 3 * long + 4 * very_long, active
            ),
            "resurrection_quality_category": _CATEGORY.labels(pct),
            "resurrection_pattern": _PATTERN.labels(
                total == 0, short > medium + long, long + very_long > short
            ),
            "avg_7d_resurrections": moving_average(total, 7),
            "avg_7d_resurrection_pct": moving_average_of_known(pct, 7),
            "is_complete": spine.complete_dates,
        }
    )
