"""retention_cohorts: one row per cohort month and period."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, FLOAT, INTEGER, Partition, Table, required
from transforms.kernels.arithmetic import percentage
from transforms.kernels.calendar import first_days
from transforms.kernels.spine import Spine

TABLE = Table(
    name="retention_cohorts",
    description="How many users of each first active month are active in each month after it.",
    columns=(
        required("cohort_month", DATE, "First day of the users' first active month"),
        required("period_number", INTEGER, "Months since cohort_month, from 0"),
        required("period_month", DATE, "First day of the period's month"),
        required("users_active", INTEGER, "Users of the cohort who are active in the month"),
        required("cohort_size", INTEGER, "Users of the cohort"),
        required("retention_rate", FLOAT, "100 x users_active / cohort_size"),
    ),
    partition=Partition("cohort_month", "MONTH"),
    primary_key=("cohort_month", "period_number"),
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
        }
    )
