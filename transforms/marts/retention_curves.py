"""retention_curves: one row per grain, segment, cohort and period."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.contract import DATE, FLOAT, INTEGER, STRING, Partition, Table, required
from transforms.kernels.arithmetic import percentage
from transforms.kernels.calendar import as_dates, first_days, first_days_of_weeks
from transforms.kernels.counters import Grid
from transforms.kernels.curves import LAST_DAY, LAST_WEEK
from transforms.kernels.grid_keys import curve_key, split_curve_key
from transforms.kernels.segments import folded, segment_columns
from transforms.kernels.spine import Spine
from transforms.marts.rules import is_complete
from transforms.marts.segment_rules import SEGMENT_VALUE, SEGMENTS
from transforms.marts.shared_columns import COHORT_SIZE
from transforms.measures import USERS_OF_PERIOD, percentage_of
from transforms.quality.declaration import (
    AddsUp,
    Holds,
    Sequence,
    Total,
    at_least,
    one_of,
)

_NAME: Final = "retention_curves"
Ints = NDArray[np.int64]
# The first dates of periods.
FirstDates = Callable[[Ints], NDArray[np.datetime64]]


class _Grain(NamedTuple):
    """A length of periods.

    Attributes:
        name: of it.
        last: the last period that is shown; None for all.
        whole: the table and the column of the users of all periods.
    """

    name: str
    last: int | None
    whole: Total


_DAY: Final = _Grain("day", LAST_DAY, Total("growth_metrics", "new_users"))
_WEEK: Final = _Grain("week", LAST_WEEK, Total("weekly_growth_accounting", "new_users"))
_MONTH: Final = _Grain("month", None, Total("social_capital_growth_accounting", "new_users"))


def _sizes_of(grain: _Grain) -> AddsUp:
    founding = (
        f"CASE WHEN grain = '{grain.name}' AND segment_type = 'all' AND period_number = 0 "
        "THEN cohort_size ELSE 0 END"
    )
    return AddsUp(
        f"{grain.name}_cohorts_add_up",
        (Total(_NAME, founding),),
        (grain.whole,),
        f"the cohorts by {grain.name} are the new users of {grain.whole.table}",
    )


def _segments_of(kind: str) -> AddsUp:
    def of(segment: str) -> Total:
        condition = f"grain <> 'day' AND segment_type = '{segment}'"
        return Total(_NAME, f"CASE WHEN {condition} THEN users_on ELSE 0 END")

    return AddsUp(
        f"{kind}_users_add_up",
        (of(kind),),
        (of("all"),),
        f"users_on of all values of {kind} add up to those of all users",
    )


TABLE = Table(
    name=_NAME,
    description="How many users of a cohort are active exactly, and at least, so many days, weeks "
    "or months after their first active one.",
    columns=(
        required("grain", STRING, "day, week or month", one_of("day", "week", "month")),
        required(
            "segment_type",
            STRING,
            "all, or platform, channel or country of the user's first event; of days all alone",
            one_of("all", *SEGMENTS),
        ),
        SEGMENT_VALUE,
        required("cohort_start", DATE, "First day of the users' first active day, week or month"),
        required(
            "period_number",
            INTEGER,
            f"Days (to {LAST_DAY}), weeks (to {LAST_WEEK}) or months since, from 0",
            at_least(0),
        ),
        required(
            "users_on",
            INTEGER,
            "Users of the cohort who are active in exactly this period",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active in the period",
        ),
        required(
            "users_on_or_after",
            INTEGER,
            "Users of the cohort who are active in this period or a later one",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Active in the period or later",
        ),
        COHORT_SIZE,
        required(
            "retention_rate",
            FLOAT,
            "100 x users_on / cohort_size",
            at_least(0.0),
            measure=percentage_of("users_on", "cohort_size"),
            label="Retention",
        ),
        required(
            "unbounded_retention_rate",
            FLOAT,
            "100 x users_on_or_after / cohort_size",
            at_least(0.0),
            measure=percentage_of("users_on_or_after", "cohort_size"),
            label="Retention, then or later",
        ),
        is_complete("period", "a later day, week or month"),
    ),
    partition=Partition("cohort_start", "MONTH"),
    primary_key=("grain", "segment_type", "segment_value", "cohort_start", "period_number"),
    sequence=Sequence(
        by=("period_number",), within=("grain", "segment_type", "segment_value", "cohort_start")
    ),
    checks=(
        Holds(
            "no_missing_period",
            "period_number <= COALESCE(previous_period_number + 1, 0)",
            "the periods of a cohort are 0, 1, 2 ... without a hole",
        ),
        Holds(
            "all_active_at_first",
            "period_number <> 0 OR (users_on = cohort_size AND users_on_or_after = cohort_size)",
            "in period 0 all users of the cohort are active",
        ),
        Holds(
            "cohort_size_stays",
            "cohort_size = previous_cohort_size",
            "a cohort has the same size in all its periods",
        ),
        Holds(
            "on_within_on_or_after",
            "users_on <= users_on_or_after",
            "who is active in a period is active in it or later",
        ),
        Holds(
            "on_or_after_never_rises",
            "users_on_or_after <= previous_users_on_or_after",
            "no more users are active later than earlier or later",
        ),
        *map(_sizes_of, (_DAY, _WEEK, _MONTH)),
        *map(_segments_of, SEGMENTS),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table: every period up to the last of the data, one without users too."""
    sums = spine.counters
    of_weeks = partial(first_days_of_weeks, reckoning=spine.reckoning)
    return pa.concat_tables(
        [
            _rows(_DAY, sums.day_curves, sums.segment_months, spine.last_day, as_dates),
            _rows(_WEEK, sums.week_curves, sums.segment_months, spine.last_week, of_weeks),
            _rows(_MONTH, sums.month_curves, sums.segment_months, spine.last_month, first_days),
        ]
    ).unify_dictionaries()


def _rows(grain: _Grain, curves: Grid, sizes: Grid, last: int, dates: FirstDates) -> pa.Table:
    segment, cohort, period = split_curve_key(curves.keys)
    keys = curve_key(folded(segment, sizes), cohort, period)
    curves = Grid.sum_rows(curves.names, keys, curves.values)
    segment, cohort, period = split_curve_key(curves.keys)
    cohorts, place = np.unique(curve_key(segment, cohort, 0 * period), return_inverse=True)
    segments, starts, _ = split_curve_key(cohorts)
    reached = last - starts if grain.last is None else np.minimum(last - starts, grain.last)
    # What is beyond the last period that is shown counts as active in it or later.
    periods = max(int(reached.max(initial=0)), int(period.max(initial=0))) + 1
    on, ends = table = np.zeros((2, len(cohorts), periods), np.int64)
    table[:, place, period] = curves.values.T
    on_or_after = np.cumsum(ends[:, ::-1], axis=1)[:, ::-1]
    shown = np.arange(periods) <= reached[:, np.newaxis]
    row, number = np.nonzero(shown)
    size = on[:, 0][row] if len(on) else row
    names = (column.take(pa.array(row)) for column in segment_columns(segments))
    return TABLE.build(
        {
            "grain": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(row), np.int32)), pa.array([grain.name])
            ),
            **dict(zip(("segment_type", "segment_value"), names, strict=True)),
            "cohort_start": dates(starts[row]),
            "period_number": number,
            "users_on": on[shown],
            "users_on_or_after": on_or_after[shown],
            "cohort_size": size,
            "retention_rate": percentage(on[shown], size),
            "unbounded_retention_rate": percentage(on_or_after[shown], size),
            "is_complete": np.asarray(starts[row] + number < last),
        }
    )
