"""growth_metrics: one row per date."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from transforms.contract import (
    FLOAT,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.arithmetic import (
    Ints,
    first_that_holds,
    moving_average,
    moving_sum,
    percentage,
    previous,
    ratio,
)
from transforms.kernels.counters import DORMANCIES, WINDOWS
from transforms.kernels.spine import Spine
from transforms.marts.grades import Grades, Step
from transforms.marts.rules import (
    ALL_COHORTS,
    DATES_BEFORE_ARE_COMPLETE,
    IS_COMPLETE_DATE,
    NO_MISSING_DATE,
    day_after_day,
    one_runs,
)
from transforms.marts.shared_columns import ACTIVE_WINDOWS, DAU, DAU_MAU, EVENT_DATE, quick_ratio
from transforms.measures import (
    USERS,
    USERS_OF_PERIOD,
    USERS_ONCE,
    average_of,
    percentage_of,
)
from transforms.quality.declaration import (
    PERCENTAGE,
    AddsUp,
    Holds,
    References,
    Total,
    at_least,
    is_percentage,
    one_of,
)

_OF_DAU = "in percent of daily_active_users"

_DAU = "daily_active_users"
_WINDOWS = (_DAU, "weekly_active_users_7d", "active_users_28d", "monthly_active_users_30d")
_OTHERS = (
    "retention_quality_framework",
    "user_resurrection_analysis",
    "growth_drivers",
    "miles_analytics",
    "session_metrics",
)
_QUALITY = Grades(
    "daily_quick_ratio",
    (Step("<", 1.0, "Declining"), Step("<", 1.5, "Healthy")),
    "Strong",
    unknown="Unknown",
)
_UP, _DOWN, _STABLE = "Trending Up", "Trending Down", "Stable"

TABLE = Table(
    name="growth_metrics",
    description="Daily growth accounting, rolling active users and stickiness.",
    columns=(
        EVENT_DATE,
        DAU,
        required(
            "new_users",
            INTEGER,
            "Users whose first active date this is",
            at_least(0),
            measure=USERS_ONCE,
        ),
        required(
            "retained_users",
            INTEGER,
            "Users active on this date and the day before",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "resurrected_users",
            INTEGER,
            "Users active on this date and not the day before, but earlier",
            at_least(0),
            measure=USERS_OF_PERIOD,
            label="Users who came back",
        ),
        required(
            "churned_users",
            INTEGER,
            "Users active the day before and not on this date",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable("dau_growth", INTEGER, "DAU less the DAU of the day before", measure=USERS_ONCE),
        nullable(
            "new_users_pct",
            FLOAT,
            f"New users {_OF_DAU}",
            PERCENTAGE,
            measure=percentage_of("new_users", "daily_active_users"),
        ),
        nullable(
            "retained_users_pct",
            FLOAT,
            f"Retained users {_OF_DAU}",
            PERCENTAGE,
            measure=percentage_of("retained_users", "daily_active_users"),
        ),
        nullable(
            "resurrected_users_pct",
            FLOAT,
            f"Resurrected users {_OF_DAU}",
            PERCENTAGE,
            measure=percentage_of("resurrected_users", "daily_active_users"),
        ),
        quick_ratio("daily_quick_ratio"),
        nullable(
            "day_over_day_retention_pct",
            FLOAT,
            "100 x retained / the day before's DAU",
            PERCENTAGE,
            measure=percentage_of("retained_users", "previous_daily_active_users").of_row_before,
            label="Retention from the day before",
        ),
        *ACTIVE_WINDOWS,
        required(
            "weekly_avg_dau",
            FLOAT,
            "7-day moving average of DAU",
            at_least(0.0),
            measure=average_of(USERS),
        ),
        required(
            "monthly_avg_dau",
            FLOAT,
            "30-day moving average of DAU",
            at_least(0.0),
            measure=average_of(USERS),
        ),
        nullable(
            "dau_wau_stickiness",
            FLOAT,
            "100 x DAU / WAU over 7 days",
            at_least(0.0),
            measure=percentage_of("daily_active_users", "weekly_active_users_7d"),
            label="DAU / WAU",
        ),
        DAU_MAU,
        nullable(
            "wau_mau_stickiness",
            FLOAT,
            "100 x WAU over 7 days / MAU over 30 days",
            at_least(0.0),
            measure=percentage_of("weekly_active_users_7d", "monthly_active_users_30d"),
            label="WAU / MAU",
        ),
        _QUALITY.column("daily_growth_quality"),
        required(
            "activity_trend_7d",
            STRING,
            f"DAU against the mean of the seven days before: {_UP}, {_DOWN} or {_STABLE}",
            one_of(_UP, _DOWN, _STABLE),
        ),
        required("calculated_at", TIMESTAMP, "When the row was written"),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    written_at="calculated_at",
    checks=(
        NO_MISSING_DATE,
        DATES_BEFORE_ARE_COMPLETE,
        one_runs("growth_metrics", "date", "previous_event_date IS NULL"),
        *(References("event_date", table, "event_date") for table in _OTHERS),
        Holds(
            "active_parts_add_up",
            "daily_active_users = new_users + retained_users + resurrected_users",
            "DAU = new + retained + resurrected",
        ),
        Holds(
            "active_follows_day_before",
            day_after_day(
                "daily_active_users = new_users + resurrected_users - churned_users",
                "daily_active_users = previous_daily_active_users + new_users + resurrected_users "
                "- churned_users",
            ),
            "DAU = DAU of the day before + new + resurrected - churned",
        ),
        *(
            Holds(f"{fewer}_within_{more}", f"{fewer} <= {more}", f"{fewer} <= {more}")
            for fewer, more in pairwise(_WINDOWS)
        ),
        Holds(
            "dau_growth.formula",
            day_after_day(
                "dau_growth IS NULL",
                "dau_growth = daily_active_users - previous_daily_active_users",
            ),
            "dau_growth = DAU less the DAU of the day before, NULL on the first date",
        ),
        Holds(
            "day_over_day_retention_pct.formula",
            day_after_day(
                "day_over_day_retention_pct IS NULL",
                is_percentage(
                    "day_over_day_retention_pct", "retained_users", f"previous_{_DAU}"
                ).condition,
            ),
            "day_over_day_retention_pct = 100 x retained / DAU of the day before",
        ),
        _QUALITY.check("daily_growth_quality"),
        AddsUp(
            "new_users_are_all_cohorts",
            (Total("growth_metrics", "new_users"),),
            (ALL_COHORTS,),
            "the new users of all dates are the users of all cohorts",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    active, churned = day["active"], day["churned"]
    resurrected = sum(
        (day[dormancy.counter] for dormancy in DORMANCIES), start=np.zeros_like(active)
    )
    quick_ratio = ratio(day["new"] + resurrected, churned)
    last_7, last_28, last_30 = (np.cumsum(day[f"window_{days}"]) for days in WINDOWS)
    growth = pa.array(active - previous(active), mask=np.arange(len(active)) == 0)
    return TABLE.build(
        {
            "event_date": spine.dates,
            "daily_active_users": active,
            "new_users": day["new"],
            "retained_users": day["retained"],
            "resurrected_users": resurrected,
            "churned_users": churned,
            "dau_growth": growth,
            "new_users_pct": percentage(day["new"], active),
            "retained_users_pct": percentage(day["retained"], active),
            "resurrected_users_pct": percentage(resurrected, active),
            "daily_quick_ratio": quick_ratio,
            "day_over_day_retention_pct": percentage(day["retained"], previous(active)),
            "weekly_active_users_7d": last_7,
            "active_users_28d": last_28,
            "monthly_active_users_30d": last_30,
            "weekly_avg_dau": moving_average(active, 7),
            "monthly_avg_dau": moving_average(active, 30),
            "dau_wau_stickiness": percentage(active, last_7),
            "dau_mau_stickiness": percentage(active, last_30),
            "wau_mau_stickiness": percentage(last_7, last_30),
            "daily_growth_quality": _QUALITY.labels(quick_ratio),
            "activity_trend_7d": _trend(active),
            "calculated_at": spine.stamps(len(spine.dates)),
            "is_complete": spine.complete_dates,
        }
    )


def _trend(active: Ints) -> pa.Array:
    """DAU against the mean of up to seven days before, compared as integers (rule 7)."""
    total, days = (previous(values) for values in moving_sum(active, 7))
    return first_that_holds(
        [
            ((days > 0) & (active * days > total), _UP),
            ((days > 0) & (active * days < total), _DOWN),
        ],
        _STABLE,
    )
