"""miles_analytics: one row per date."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.contract import DATE, INTEGER, TIMESTAMP, Partition, Table, required
from transforms.kernels.arithmetic import moving_average, rounded
from transforms.kernels.spine import Spine

TABLE = Table(
    name="miles_analytics",
    description="Miles earned and redeemed by date, running totals and moving averages.",
    columns=(
        required("event_date", DATE, "UTC date"),
        required("daily_miles_earned", INTEGER, "Miles earned"),
        required("daily_miles_redeemed", INTEGER, "Miles redeemed"),
        required("net_miles_change", INTEGER, "Miles earned less miles redeemed"),
        required("users_earning", INTEGER, "Distinct users who earned miles"),
        required("users_redeeming", INTEGER, "Distinct users who redeemed miles"),
        required("earning_transactions", INTEGER, "miles_earned events"),
        required("redeeming_transactions", INTEGER, "miles_redeemed events"),
        required("cumulative_miles_earned", INTEGER, "Miles earned up to this date"),
        required("cumulative_miles_redeemed", INTEGER, "Miles redeemed up to this date"),
        required("avg_7d_miles_earned", INTEGER, "7-day moving average, rounded half up"),
        required("avg_7d_miles_redeemed", INTEGER, "7-day moving average, rounded half up"),
        required("calculated_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    written_at="calculated_at",
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
        }
    )
