"""miles_analytics: one row per date."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import INTEGER, TIMESTAMP, Partition, Table, required
from transforms.kernels.arithmetic import moving_average, rounded
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, day_after_day, is_complete_of
from transforms.marts.shared_columns import DAILY_MILES, EVENT_DATE
from transforms.measures import (
    EVENTS_ONCE,
    MILES,
    MILES_SO_FAR,
    USERS_OF_PERIOD,
    average_of,
)
from transforms.quality.declaration import AddsUp, Holds, Total, at_least


def _running(kind: str) -> tuple[Holds, Holds, AddsUp]:
    """What the running total of miles earned or redeemed must keep."""
    total, daily = f"cumulative_miles_{kind}", f"daily_miles_{kind}"
    return (
        Holds(
            f"{total}_never_fall",
            f"{total} >= previous_{total}",
            f"{total} never fall",
        ),
        Holds(
            f"{total}_rise_by_day",
            # Where they fall, the check above fails.
            day_after_day(
                f"{total} = {daily}",
                f"{total} < previous_{total} OR {total} - previous_{total} = {daily}",
            ),
            f"{total} rise by {daily}",
        ),
        AddsUp(
            f"{total}_end_at_users",
            # Its last value, as a sum of steps.
            (Total("miles_analytics", f"{total} - COALESCE(previous_{total}, 0)"),),
            (Total("dim_users", f"total_miles_{kind}"),),
            f"{total} end at the sum of total_miles_{kind} of dim_users",
        ),
    )


TABLE = Table(
    name="miles_analytics",
    description="Miles earned and redeemed by date, running totals and moving averages.",
    columns=(
        EVENT_DATE,
        *DAILY_MILES,
        required(
            "users_earning",
            INTEGER,
            "Distinct users who earned miles",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "users_redeeming",
            INTEGER,
            "Distinct users who redeemed miles",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "earning_transactions", INTEGER, "miles_earned events", at_least(0), measure=EVENTS_ONCE
        ),
        required(
            "redeeming_transactions",
            INTEGER,
            "miles_redeemed events",
            at_least(0),
            measure=EVENTS_ONCE,
        ),
        required(
            "cumulative_miles_earned",
            INTEGER,
            "Miles earned up to this date",
            at_least(0),
            measure=MILES_SO_FAR,
        ),
        required(
            "cumulative_miles_redeemed",
            INTEGER,
            "Miles redeemed up to this date",
            at_least(0),
            measure=MILES_SO_FAR,
        ),
        required(
            "avg_7d_miles_earned",
            INTEGER,
            "7-day moving average, rounded half up",
            at_least(0),
            measure=average_of(MILES),
        ),
        required(
            "avg_7d_miles_redeemed",
            INTEGER,
            "7-day moving average, rounded half up",
            at_least(0),
            measure=average_of(MILES),
        ),
        required("calculated_at", TIMESTAMP, "When the row was written"),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    written_at="calculated_at",
    checks=(
        DATES,
        is_complete_of("growth_metrics"),
        Holds(
            "net_miles_change_adds_up",
            "net_miles_change = daily_miles_earned - daily_miles_redeemed",
            "net_miles_change is miles earned less miles redeemed",
        ),
        *(check for kind in ("earned", "redeemed") for check in _running(kind)),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    earned, redeemed = day["miles_earned"], day["miles_redeemed"]
    return TABLE.build(
        {
            "event_date": spine.dates,
            "daily_miles_earned": earned,
            "daily_miles_redeemed": redeemed,
            "net_miles_change": earned - redeemed,
            "users_earning": day["users_miles_earned"],
            "users_redeeming": day["users_miles_redeemed"],
            "earning_transactions": day["events_miles_earned"],
            "redeeming_transactions": day["events_miles_redeemed"],
            "cumulative_miles_earned": np.cumsum(earned),
            "cumulative_miles_redeemed": np.cumsum(redeemed),
            "avg_7d_miles_earned": rounded(moving_average(earned, 7)),
            "avg_7d_miles_redeemed": rounded(moving_average(redeemed, 7)),
            "calculated_at": spine.stamps(len(spine.dates)),
            "is_complete": spine.complete_dates,
        }
    )
