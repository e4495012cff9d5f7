"""dim_users: one row per user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from transforms.contract import (
    BOOLEAN,
    DATE,
    INTEGER,
    STRING,
    TIMESTAMP,
    Partition,
    Table,
    added,
    nullable,
    required,
)
from transforms.kernels.timelines import Timelines
from transforms.measures import DATES, DAYS, EVENTS_ONCE, MILES_ONCE, Measure
from transforms.quality.declaration import (
    COUNTRY,
    LOWER_CASE,
    AddsUp,
    Holds,
    References,
    Total,
    at_least,
    between,
    one_of,
)
from transforms.vocabulary import EARLIEST, EVENT_TYPES, PLATFORMS

# The window of active_days_28d. It ends with a date of the user's: by one of the warehouse the rows
# of users who have no new event would change every day.
RECENT_DAYS: Final = 28

TABLE = Table(
    name="dim_users",
    description="One row per user: first and last event, lifetime totals.",
    columns=(
        required("user_id", STRING, "The user, as the source names them"),
        required("first_seen_at", TIMESTAMP, "Time of the first event", at_least(EARLIEST)),
        required("first_seen_date", DATE, "Date of the first event, UTC or of --timezone"),
        required("last_seen_at", TIMESTAMP, "Time of the last event"),
        required("last_seen_date", DATE, "Date of the last event, UTC or of --timezone"),
        required(
            "days_active",
            INTEGER,
            "Days between the first and the last date: a lifespan; active_days counts the dates",
            at_least(0),
            measure=Measure(DAYS, "mean"),
        ),
        required("first_platform", STRING, "Platform of the first event", one_of(*PLATFORMS)),
        nullable("first_utm_source", STRING, "utm_source of the first event", LOWER_CASE),
        nullable("first_country", STRING, "Country of the first event", COUNTRY),
        required(
            "total_miles_earned",
            INTEGER,
            "Miles earned over the lifetime",
            at_least(0),
            measure=MILES_ONCE,
        ),
        required(
            "total_miles_redeemed",
            INTEGER,
            "Miles redeemed over the lifetime",
            at_least(0),
            measure=MILES_ONCE,
        ),
        required(
            "current_miles_balance", INTEGER, "Miles earned less miles redeemed", measure=MILES_ONCE
        ),
        required("has_negative_balance", BOOLEAN, "Whether more was redeemed than earned"),
        required(
            "miles_earned_transactions",
            INTEGER,
            "Number of miles_earned events",
            at_least(0),
            measure=EVENTS_ONCE,
        ),
        required(
            "miles_redeemed_transactions",
            INTEGER,
            "Number of miles_redeemed events",
            at_least(0),
            measure=EVENTS_ONCE,
        ),
        required(
            "share_events", INTEGER, "Number of share events", at_least(0), measure=EVENTS_ONCE
        ),
        required("like_events", INTEGER, "Number of like events", at_least(0), measure=EVENTS_ONCE),
        required(
            "reward_search_events",
            INTEGER,
            "Number of reward_search events",
            at_least(0),
            measure=EVENTS_ONCE,
        ),
        required("updated_at", TIMESTAMP, "When the row was written"),
        added(
            "active_days",
            INTEGER,
            "Distinct dates on which the user was active, by the event types that count",
            measure=Measure(DATES, "sum"),
        ),
        added(
            "active_days_28d",
            INTEGER,
            "Those of the 28 dates that end with the user's own last_seen_date; "
            "engagement_distribution counts users by the 28 dates through a date of the warehouse",
            between(0, RECENT_DAYS),
            measure=Measure(DATES, "mean"),
        ),
    ),
    partition=Partition("first_seen_date", "MONTH", moves=True),
    clustering=("user_id",),
    primary_key=("user_id",),
    written_at="updated_at",
    checks=(
        Holds(
            "first_seen_date_of_first_seen_at",
            "first_seen_date = CAST(first_seen_at AS DATE)",
            "first_seen_date is the UTC date of first_seen_at",
        ),
        Holds(
            "last_seen_date_of_last_seen_at",
            "last_seen_date = CAST(last_seen_at AS DATE)",
            "last_seen_date is the UTC date of last_seen_at",
        ),
        Holds(
            "first_seen_before_last",
            "first_seen_at <= last_seen_at",
            "nobody is seen last before being seen first",
        ),
        Holds(
            "days_active_between_dates",
            "days_active = UNIX_DATE(last_seen_date) - UNIX_DATE(first_seen_date)",
            "days_active is the number of days from first_seen_date to last_seen_date",
        ),
        Holds(
            "active_days_within_life",
            "active_days <= days_active + 1",
            "no more dates are active than there are from the first to the last",
        ),
        Holds(
            "active_days_28d_within_active_days",
            f"active_days_28d <= active_days AND (days_active >= {RECENT_DAYS} "
            "OR active_days_28d = active_days)",
            "of a user who is known for no more than 28 dates all active ones are among them",
        ),
        AddsUp(
            "active_days_add_up",
            (Total("dim_users", "active_days"),),
            (Total("growth_metrics", "daily_active_users"),),
            "each active date of a user is counted in daily_active_users once",
        ),
        Holds(
            "balance_adds_up",
            "current_miles_balance = total_miles_earned - total_miles_redeemed",
            "the balance is miles earned less miles redeemed",
        ),
        Holds(
            "negative_balance_flag",
            "has_negative_balance = (current_miles_balance < 0)",
            "has_negative_balance says whether the balance is below 0",
        ),
        Holds(
            "earned_by_transactions",
            "miles_earned_transactions > 0 OR total_miles_earned = 0",
            "nobody earns miles without a transaction",
        ),
        Holds(
            "redeemed_by_transactions",
            "miles_redeemed_transactions > 0 OR total_miles_redeemed = 0",
            "nobody redeems miles without a transaction",
        ),
        References(
            "user_id", "users_with_negative_miles", "user_id", where=("has_negative_balance", True)
        ),
    ),
)

COUNT_COLUMNS = {
    "miles_earned": "miles_earned_transactions",
    "miles_redeemed": "miles_redeemed_transactions",
    "share": "share_events",
    "like": "like_events",
    "reward_search": "reward_search_events",
}


def rows(
    timelines: Timelines, active_types: Sequence[int], written_at: pa.Scalar | pa.Array
) -> pa.Table:
    """The rows of dim_users for the users of `timelines`, in their order.

    Args:
        timelines: of any number of users.
        active_types: codes of the event types that make a user active.
        written_at: the moment of writing, or one for each user.
    """
    earned = timelines.per_user(timelines.miles_earned)
    redeemed = timelines.per_user(timelines.miles_redeemed)
    counts = timelines.per_user(timelines.type_events)
    first_date = timelines.first_dates
    last_date = timelines.last_dates
    active = timelines.active_days(active_types).astype(np.int64)
    is_recent = timelines.date > (last_date - RECENT_DAYS)[timelines.user_of_day]
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
                COUNT_COLUMNS[event_type]: np.ascontiguousarray(counts[:, code])
                for code, event_type in enumerate(EVENT_TYPES)
            },
            "updated_at": written_at,
            "active_days": timelines.per_user(active),
            "active_days_28d": timelines.per_user(active & is_recent),
        }
    )
