"""dim_users: one row per user."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.contract import (
    BOOLEAN,
    DATE,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    nullable,
    required,
)
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.timelines import Timelines
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

TABLE = Table(
    name="dim_users",
    description="One row per user: first and last event, lifetime totals.",
    columns=(
        required("user_id", STRING, "The user, as the source names them"),
        required("first_seen_at", TIMESTAMP, "Time of the first event"),
        required("first_seen_date", DATE, "UTC date of the first event"),
        required("last_seen_at", TIMESTAMP, "Time of the last event"),
        required("last_seen_date", DATE, "UTC date of the last event"),
        required("days_active", INTEGER, "Days between the first and the last date"),
        required("first_platform", STRING, "Platform of the first event"),
        nullable("first_utm_source", STRING, "utm_source of the first event"),
        nullable("first_country", STRING, "Country of the first event"),
        required("total_miles_earned", INTEGER, "Miles earned over the lifetime"),
        required("total_miles_redeemed", INTEGER, "Miles redeemed over the lifetime"),
        required("current_miles_balance", INTEGER, "Miles earned less miles redeemed"),
        required("has_negative_balance", BOOLEAN, "Whether more was redeemed than earned"),
        required("miles_earned_transactions", INTEGER, "Number of miles_earned events"),
        required("miles_redeemed_transactions", INTEGER, "Number of miles_redeemed events"),
        required("share_events", INTEGER, "Number of share events"),
        required("like_events", INTEGER, "Number of like events"),
        required("reward_search_events", INTEGER, "Number of reward_search events"),
        required("updated_at", TIMESTAMP, "When the row was written"),
    ),
    partition=Partition("first_seen_date", "MONTH", moves=True),
    clustering=("user_id",),
    primary_key=("user_id",),
    written_at="updated_at",
)

_COUNT_COLUMNS = {
    "miles_earned": "miles_earned_transactions",
    "miles_redeemed": "miles_redeemed_transactions",
    "share": "share_events",
    "like": "like_events",
    "reward_search": "reward_search_events",
}


def rows(timelines: Timelines, written_at: pa.Scalar | pa.Array) -> pa.Table:
    """The rows of dim_users for the users of `timelines`, in their order.

    Args:
        timelines: of any number of users.
        written_at: the moment of writing, or one for each user.
    """
    earned = timelines.per_user(timelines.miles_earned)
    redeemed = timelines.per_user(timelines.miles_redeemed)
    counts = timelines.per_user(timelines.type_events)
    first_date = timelines.first_seen_us // US_PER_DAY
    last_date = timelines.last_seen_us // US_PER_DAY
    platforms = pa.DictionaryArray.from_arrays(
        pa.array(timelines.first_platform), pa.array(PLATFORMS)
    )
    return TABLE.build(
        {
            "user_id": timelines.user_id,
            "first_seen_at": timelines.first_seen_us.view("datetime64[us]"),
            "first_seen_date": first_date.astype("datetime64[D]"),
            "last_seen_at": timelines.last_seen_us.view("datetime64[us]"),
            "last_seen_date": last_date.astype("datetime64[D]"),
            "days_active": last_date - first_date,
            "first_platform": platforms,
            "first_utm_source": timelines.first_utm_source,
            "first_country": timelines.first_country,
            "total_miles_earned": earned,
            "total_miles_redeemed": redeemed,
            "current_miles_balance": earned - redeemed,
            "has_negative_balance": earned < redeemed,
            **{
                _COUNT_COLUMNS[event_type]: np.ascontiguousarray(counts[:, code])
                for code, event_type in enumerate(EVENT_TYPES)
            },
            "updated_at": written_at,
        }
    )


def events_of(users: pa.Table) -> NDArray[np.int64]:
    """How many events each of some rows' users has: int64 [rows]."""
    total = np.zeros(users.num_rows, np.int64)
    for column in _COUNT_COLUMNS.values():
        total += users[column].to_numpy()
    return total
