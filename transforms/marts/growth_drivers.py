"""growth_drivers: one row per date."""

from __future__ import annotations

import pyarrow as pa

from transforms.contract import (
    FLOAT,
    INTEGER,
    TIMESTAMP,
    Partition,
    Table,
    added,
    nullable,
    required,
)
from transforms.kernels.arithmetic import (
    Ints,
    moving_average,
    percentage,
    ratio,
    rounded,
)
from transforms.kernels.spine import Spine
from transforms.marts.grades import Grades, Step
from transforms.marts.growth_drivers_checks import ACTIVITY, FIFTH, HEALTH, MILES, RATES, TOTALS
from transforms.marts.rules import DATES, IS_COMPLETE_DATE, is_complete_of
from transforms.marts.shared_columns import DAILY_MILES, DAU, EVENT_DATE
from transforms.measures import (
    EVENTS,
    EVENTS_ONCE,
    EVENTS_PER_USER,
    MILES_MEAN,
    SCORE,
    USERS_OF_PERIOD,
    USERS_ONCE,
    average_of,
    percentage_of,
    quotient,
    ratio_of,
)
from transforms.quality.declaration import at_least
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL, PLATFORMS

_PCT = "in percent of daily_active_users"
_ENGAGEMENT = Grades(
    f"the distinct users who shared or liked, {_PCT}",
    (Step(">=", 20, "High Social"), Step(">=", 10, "Moderate Social")),
    "Low Social",
)

TABLE = Table(
    name="growth_drivers",
    description="What drives a date's activity: miles, social actions, platforms, channels.",
    columns=(
        EVENT_DATE,
        DAU,
        required(
            "total_daily_events", INTEGER, "Events of the date", at_least(0), measure=EVENTS_ONCE
        ),
        *DAILY_MILES,
        required(
            "users_earning_miles",
            INTEGER,
            "Distinct users who earned miles",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "users_redeeming_miles",
            INTEGER,
            "Distinct users who redeemed miles",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "miles_earning_events", INTEGER, "miles_earned events", at_least(0), measure=EVENTS_ONCE
        ),
        required(
            "miles_redemption_events",
            INTEGER,
            "miles_redeemed events",
            at_least(0),
            measure=EVENTS_ONCE,
        ),
        nullable(
            "miles_earn_redeem_ratio",
            FLOAT,
            "Miles earned / miles redeemed",
            at_least(0.0),
            measure=quotient("daily_miles_earned", "daily_miles_redeemed"),
        ),
        nullable(
            "earning_user_pct",
            FLOAT,
            f"users_earning_miles {_PCT}",
            at_least(0.0),
            measure=percentage_of("users_earning_miles", "daily_active_users"),
        ),
        nullable(
            "redeeming_user_pct",
            FLOAT,
            f"users_redeeming_miles {_PCT}",
            at_least(0.0),
            measure=percentage_of("users_redeeming_miles", "daily_active_users"),
        ),
        required("daily_shares", INTEGER, "share events", at_least(0), measure=EVENTS_ONCE),
        required("daily_likes", INTEGER, "like events", at_least(0), measure=EVENTS_ONCE),
        required(
            "daily_searches", INTEGER, "reward_search events", at_least(0), measure=EVENTS_ONCE
        ),
        required(
            "users_sharing",
            INTEGER,
            "Distinct users who shared",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "users_liking",
            INTEGER,
            "Distinct users who liked",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        required(
            "users_searching",
            INTEGER,
            "Distinct users who searched for rewards",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable(
            "sharing_user_pct",
            FLOAT,
            f"users_sharing {_PCT}",
            at_least(0.0),
            measure=percentage_of("users_sharing", "daily_active_users"),
        ),
        nullable(
            "liking_user_pct",
            FLOAT,
            f"users_liking {_PCT}",
            at_least(0.0),
            measure=percentage_of("users_liking", "daily_active_users"),
        ),
        nullable(
            "searching_user_pct",
            FLOAT,
            f"users_searching {_PCT}",
            at_least(0.0),
            measure=percentage_of("users_searching", "daily_active_users"),
        ),
        *(
            required(
                f"{name.lower()}_users",
                INTEGER,
                f"Distinct users on {name}",
                at_least(0),
                measure=USERS_OF_PERIOD,
                label=name,
            )
            for name in PLATFORMS
        ),
        *(
            nullable(
                f"{name.lower()}_user_pct",
                FLOAT,
                f"Users on {name} {_PCT}",
                at_least(0.0),
                measure=percentage_of(f"{name.lower()}_users", "daily_active_users"),
                label=f"{name}, share of DAU",
            )
            for name in PLATFORMS
        ),
        *(
            nullable(
                f"{name.lower()}_events_per_user",
                FLOAT,
                f"Events on {name} / its users",
                at_least(1.0),
                measure=ratio_of("events on the platform, and its users", EVENTS_PER_USER),
                label=f"{name}, events per user",
            )
            for name in PLATFORMS
        ),
        *(
            required(
                f"new_{channel}_users",
                INTEGER,
                f"Users whose first event is on this date and has utm_source {channel}",
                at_least(0),
                measure=USERS_ONCE,
                label=channel.capitalize(),
            )
            for channel in CHANNELS
        ),
        required(
            "total_new_users",
            INTEGER,
            "Users whose first event is on this date, of every utm_source or none",
            at_least(0),
            measure=USERS_ONCE,
        ),
        HEALTH.column(
            "miles_economy_health",
            "Earned > 1.2 x redeemed: Healthy Growth; earned > redeemed: Stable; "
            "redeemed > 1.2 x earned: High Redemption; else Balanced",
        ),
        _ENGAGEMENT.column("social_engagement_level"),
        nullable(
            "feature_adoption_score",
            INTEGER,
            "0.3 x earning + 0.2 x redeeming + 0.2 x sharing + 0.15 x liking + 0.15 x searching "
            "user percentage, rounded half up",
            at_least(0),
            measure=SCORE,
        ),
        required(
            "avg_7d_miles_earned",
            FLOAT,
            "7-day moving average of daily_miles_earned",
            at_least(0.0),
            measure=MILES_MEAN,
        ),
        required(
            "avg_7d_social_actions",
            FLOAT,
            "7-day moving average of shares + likes",
            at_least(0.0),
            measure=average_of(EVENTS),
        ),
        required("calculated_at", TIMESTAMP, "When the row was written"),
        added(
            "new_other_users",
            INTEGER,
            "Users whose first event is on this date and has another utm_source than the four, or "
            "none",
            at_least(0),
            measure=USERS_ONCE,
            label="Other",
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date",),
    written_at="calculated_at",
    checks=(DATES, is_complete_of("growth_metrics"), *ACTIVITY, *RATES, *MILES, *TOTALS),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day = spine.daily
    active = day["active"]
    # Each event has one platform; its type may be one that only events_by_type knows.
    events = sum((day[f"events_{name}"] for name in PLATFORMS), start=0 * active)
    new_users = {
        f"new_{channel}_users": day[f"first_{channel}"] for channel in (*CHANNELS, OTHER_CHANNEL)
    }
    return TABLE.build(
        {
            "event_date": spine.dates,
            "daily_active_users": active,
            "total_daily_events": events,
            **_miles(day),
            **_social(day),
            **_platforms(day),
            **new_users,
            "total_new_users": sum(new_users.values(), start=0 * active),
            "feature_adoption_score": rounded(ratio(_adoption_points(day), active)),
            "calculated_at": spine.stamps(len(spine.dates)),
            "is_complete": spine.complete_dates,
        }
    )


def _miles(day: dict[str, Ints]) -> dict[str, object]:
    active, earned, redeemed = day["active"], day["miles_earned"], day["miles_redeemed"]
    return {
        "daily_miles_earned": earned,
        "daily_miles_redeemed": redeemed,
        "net_miles_change": earned - redeemed,
        "users_earning_miles": day["users_miles_earned"],
        "users_redeeming_miles": day["users_miles_redeemed"],
        "miles_earning_events": day["events_miles_earned"],
        "miles_redemption_events": day["events_miles_redeemed"],
        "miles_earn_redeem_ratio": ratio(earned, redeemed),
        "earning_user_pct": percentage(day["users_miles_earned"], active),
        "redeeming_user_pct": percentage(day["users_miles_redeemed"], active),
        "miles_economy_health": HEALTH.labels(
            earned - redeemed > redeemed // FIFTH,
            earned > redeemed,
            redeemed - earned > earned // FIFTH,
        ),
        "avg_7d_miles_earned": moving_average(earned, 7),
    }


def _social(day: dict[str, Ints]) -> dict[str, object]:
    active = day["active"]
    return {
        "daily_shares": day["events_share"],
        "daily_likes": day["events_like"],
        "daily_searches": day["events_reward_search"],
        "users_sharing": day["users_share"],
        "users_liking": day["users_like"],
        "users_searching": day["users_reward_search"],
        "sharing_user_pct": percentage(day["users_share"], active),
        "liking_user_pct": percentage(day["users_like"], active),
        "searching_user_pct": percentage(day["users_reward_search"], active),
        "social_engagement_level": _ENGAGEMENT.labels(percentage(day["users_social"], active)),
        "avg_7d_social_actions": moving_average(day["events_share"] + day["events_like"], 7),
    }


def _platforms(day: dict[str, Ints]) -> dict[str, object]:
    columns: dict[str, object] = {}
    for name in PLATFORMS:
        users, events = day[f"users_{name}"], day[f"events_{name}"]
        columns[f"{name.lower()}_users"] = users
        columns[f"{name.lower()}_user_pct"] = percentage(users, day["active"])
        columns[f"{name.lower()}_events_per_user"] = ratio(events, users)
    return columns


def _adoption_points(day: dict[str, Ints]) -> Ints:
    return (
        30 * day["users_miles_earned"]
        + 20 * day["users_miles_redeemed"]
        + 20 * day["users_share"]
        + 15 * day["users_like"]
        + 15 * day["users_reward_search"]
    )
