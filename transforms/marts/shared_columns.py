"""Columns that mean the same in several tables."""

from __future__ import annotations

from typing import Final

from transforms.contract import DATE, FLOAT, INTEGER, Column, nullable, required
from transforms.measures import MILES_ONCE, QUICK_RATIO, USERS_OF_PERIOD, percentage_of
from transforms.quality.declaration import at_least, one_of
from transforms.vocabulary import EVENT_TYPES

# Own event types of a warehouse are taken, too: registry.py says where.
EVENT_TYPE: Final = one_of(*EVENT_TYPES)

EVENT_DATE: Final = required("event_date", DATE, "Date, UTC or of --timezone", label="Date")

DAU: Final = required(
    "daily_active_users",
    INTEGER,
    "Users active on the date (DAU)",
    at_least(0),
    measure=USERS_OF_PERIOD,
    label="DAU, the date",
)

# Rolling active users of a date: the columns of each table that has them.
ACTIVE_WINDOWS: Final = (
    required(
        "weekly_active_users_7d",
        INTEGER,
        "Distinct users of the last 7 days (WAU)",
        at_least(0),
        measure=USERS_OF_PERIOD,
        label="WAU, last 7 days",
    ),
    required(
        "active_users_28d",
        INTEGER,
        "Distinct users of the last 28 days",
        at_least(0),
        measure=USERS_OF_PERIOD,
        label="Users of the last 28 days",
    ),
    required(
        "monthly_active_users_30d",
        INTEGER,
        "Distinct users of the last 30 days (MAU)",
        at_least(0),
        measure=USERS_OF_PERIOD,
        label="MAU, last 30 days",
    ),
)

DAU_MAU: Final = nullable(
    "dau_mau_stickiness",
    FLOAT,
    "100 x DAU / MAU over 30 days",
    at_least(0.0),
    measure=percentage_of("daily_active_users", "monthly_active_users_30d"),
    label="DAU / MAU",
)

COHORT_SIZE: Final = required(
    "cohort_size",
    INTEGER,
    "Users of the cohort",
    at_least(1),
    measure=USERS_OF_PERIOD,
    label="Users of the cohort",
)

DAILY_MILES: Final = (
    required(
        "daily_miles_earned",
        INTEGER,
        "Miles earned",
        at_least(0),
        measure=MILES_ONCE,
        label="Miles earned",
    ),
    required(
        "daily_miles_redeemed",
        INTEGER,
        "Miles redeemed",
        at_least(0),
        measure=MILES_ONCE,
        label="Miles redeemed",
    ),
    required("net_miles_change", INTEGER, "Miles earned less miles redeemed", measure=MILES_ONCE),
)


def quick_ratio(name: str) -> Column:
    """The quick ratio of a period."""
    return nullable(
        name,
        FLOAT,
        "(new + resurrected) / churned",
        at_least(0.0),
        measure=QUICK_RATIO,
    )
