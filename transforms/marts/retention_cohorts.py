"""retention_cohorts: one row per cohort month and period."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, Partition, Table, required
from transforms.kernels.arithmetic import percentage
from transforms.kernels.calendar import first_days
from transforms.kernels.spine import Spine
from transforms.marts.rules import ALL_COHORTS, is_complete, months, one_runs
from transforms.marts.shared_columns import COHORT_SIZE
from transforms.measures import USERS_OF_PERIOD, percentage_of
from transforms.quality.declaration import AddsUp, Holds, Sequence, Total, at_least

TABLE = Table(
    name="retention_cohorts",
    description="How many users of each first active month are active in each month after it.",
    columns=(
        required(
            "cohort_month", DATE, "First day of the users' first active month", label="First month"
        ),
        required(
            "period_number",
            INTEGER,
            "Months since cohort_month, from 0",
            at_least(0),
            label="Months since",
        ),
        required("period_month", DATE, "First day of the period's month"),
        required(
            "users_active",
            INTEGER,
            "Users of the cohort who are active in the month",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active",
        ),
        COHORT_SIZE,
        required(
            "retention_rate",
            FLOAT,
            "100 x users_active / cohort_size",
            at_least(0.0),
            measure=percentage_of("users_active", "cohort_size"),
            label="Retention",
        ),
        is_complete("period", "a month after period_month"),
    ),
    partition=Partition("cohort_month", "MONTH"),
    primary_key=("cohort_month", "period_number"),
    sequence=Sequence(by=("period_number",), within=("cohort_month",)),
    checks=(
        Holds(
            "cohort_month_is_first_day",
            "EXTRACT(DAY FROM cohort_month) = 1",
            "cohort_month is the first day of its month",
        ),
        Holds(
            "period_month_of_period_number",
            f"EXTRACT(DAY FROM period_month) = 1 "
            f"AND {months('period_month')} = {months('cohort_month')} + period_number",
            "period_month is period_number months after cohort_month",
        ),
        Holds(
            "no_missing_period",
            "period_number <= COALESCE(previous_period_number + 1, 0)",
            "the periods of a cohort are 0, 1, 2 ... without a hole",
        ),
        Holds(
            "periods_before_are_complete",
            "CASE WHEN period_number = previous_period_number + 1 THEN previous_is_complete END",
            "a period before another is complete",
        ),
        one_runs("retention_cohorts", "period", "period_number = 0"),
        Holds(
            "active_within_cohort",
            "users_active <= cohort_size",
            "no more users are active than the cohort has",
        ),
        Holds(
            "all_active_at_first",
            "period_number <> 0 OR users_active = cohort_size",
            "in period 0 all users of the cohort are active",
        ),
        Holds(
            "cohort_size_stays",
            "cohort_size = previous_cohort_size",
            "a cohort has the same size in all its periods",
        ),
        AddsUp(
            "cohort_sizes_add_up",
            (ALL_COHORTS,),
            (Total("dim_users", "CASE WHEN ACTIVE_EVENTS > 0 THEN 1 ELSE 0 END"),),
            "cohort sizes add up to the users of dim_users who were ever active",
        ),
        AddsUp(
            "active_users_add_up",
            (Total("retention_cohorts", "users_active"),),
            (Total("social_capital_growth_accounting", "total_mau"),),
            "the active users of all cohorts and periods are the MAU of all months",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table: every period up to the last month, one without users too."""
    founding = spine.period == 0
    cohorts, sizes = spine.cohort[founding], spine.cohort_active[founding]
    periods = spine.last_month - cohorts + 1
    first_row = np.cumsum(periods) - periods
    cohort, size = np.repeat(cohorts, periods), np.repeat(sizes, periods)
    number = np.arange(len(cohort)) - np.repeat(first_row, periods)
    active = np.zeros(len(cohort), np.int64)
    active[first_row[np.searchsorted(cohorts, spine.cohort)] + spine.period] = spine.cohort_active
    return TABLE.build(
        {
            "cohort_month": first_days(cohort),
            "period_number": number,
            "period_month": first_days(cohort + number),
            "users_active": active,
            "cohort_size": size,
            "retention_rate": percentage(active, size),
            "is_complete": cohort + number < spine.last_month,
        }
    )
