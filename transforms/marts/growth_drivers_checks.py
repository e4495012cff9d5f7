"""What the rows of growth_drivers must keep, beside the checks of its columns."""

from __future__ import annotations

from transforms.marts.grades import Cases
from transforms.quality.declaration import (
    AddsUp,
    Holds,
    Total,
    is_rounded,
)
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL, PLATFORMS

_DAU = "daily_active_users"
FIFTH = 5
# Miles are compared as whole numbers: more than 1.2 x what is redeemed is more than a fifth above.
HEALTH = Cases(
    (
        (f"net_miles_change > DIV(daily_miles_redeemed, {FIFTH})", "Healthy Growth"),
        ("net_miles_change > 0", "Stable"),
        (f"-net_miles_change > DIV(daily_miles_earned, {FIFTH})", "High Redemption"),
    ),
    "Balanced",
)
# Distinct users of a date, and the events that make them.
_USERS_OF_EVENTS = {
    "users_earning_miles": "miles_earning_events",
    "users_redeeming_miles": "miles_redemption_events",
    "users_sharing": "daily_shares",
    "users_liking": "daily_likes",
    "users_searching": "daily_searches",
}
_OF_MILES_ANALYTICS = {
    "daily_miles_earned": "daily_miles_earned",
    "daily_miles_redeemed": "daily_miles_redeemed",
    "users_earning_miles": "users_earning",
    "users_redeeming_miles": "users_redeeming",
    "miles_earning_events": "earning_transactions",
    "miles_redemption_events": "redeeming_transactions",
}
_SINCE_2000 = "(UNIX_DATE({0}) - UNIX_DATE(DATE '2000-01-01'))"
_NEW_USERS = " + ".join(f"new_{channel}_users" for channel in (*CHANNELS, OTHER_CHANNEL))
_OF_DIM_USERS = {
    "miles_earning_events": "miles_earned_transactions",
    "miles_redemption_events": "miles_redeemed_transactions",
    "daily_shares": "share_events",
    "daily_likes": "like_events",
    "daily_searches": "reward_search_events",
}

_EVENTS_OF_FIVE = " + ".join(_USERS_OF_EVENTS.values())
EVENT_TYPES_ADD_UP = Holds(
    "event_types_add_up",
    f"total_daily_events = {_EVENTS_OF_FIVE}",
    "the events of the five types add up to total_daily_events",
)
# Where there are own event types, whose rows are in events_by_type.
EVENT_TYPES_AMONG_OTHERS = Holds(
    EVENT_TYPES_ADD_UP.name,
    f"total_daily_events >= {_EVENTS_OF_FIVE}",
    "the events of the five types are no more than total_daily_events",
)

ACTIVITY = (
    Holds(
        "daily_active_users_of_growth_metrics",
        f"{_DAU} = growth_metrics.{_DAU}",
        "daily_active_users is that of growth_metrics",
    ),
    EVENT_TYPES_ADD_UP,
    *(
        Holds(f"{users}_by_events", f"{users} <= {events}", f"{users} <= {events}")
        for users, events in _USERS_OF_EVENTS.items()
    ),
    Holds(
        "channels_add_up",
        f"total_new_users = {_NEW_USERS}",
        "the new users of the four channels and of others add up to total_new_users",
    ),
)

RATES = (
    *(
        Holds(
            f"{name.lower()}_events_per_user_known",
            f"({name.lower()}_events_per_user IS NULL) = ({name.lower()}_users = 0)",
            f"{name.lower()}_events_per_user is NULL where it has no users, and only there",
        )
        for name in PLATFORMS
    ),
    Holds(
        "social_engagement_level_known",
        f"(social_engagement_level IS NULL) = ({_DAU} = 0)",
        "social_engagement_level is NULL where nobody is active, and only there",
    ),
    is_rounded(
        "feature_adoption_score",
        "30 * users_earning_miles + 20 * users_redeeming_miles + 20 * users_sharing "
        "+ 15 * users_liking + 15 * users_searching",
        _DAU,
    ),
)

MILES = (
    Holds(
        "net_miles_change_adds_up",
        "net_miles_change = daily_miles_earned - daily_miles_redeemed",
        "net_miles_change is miles earned less miles redeemed",
    ),
    HEALTH.check("miles_economy_health"),
    *(
        Holds(
            f"{column}_of_miles_analytics",
            f"{column} = miles_analytics.{other}",
            f"{column} is {other} of miles_analytics",
        )
        for column, other in _OF_MILES_ANALYTICS.items()
    ),
)

TOTALS = (
    AddsUp(
        "events_add_up",
        (Total("growth_drivers", "total_daily_events"),),
        (Total("fct_events", "1"),),
        "the events of all days add up to the rows of fct_events",
    ),
    *(
        AddsUp(
            f"{column}_add_up",
            (Total("growth_drivers", column),),
            (Total("dim_users", of_users),),
            f"{column} of all days add up to {of_users} of all users",
        )
        for column, of_users in _OF_DIM_USERS.items()
    ),
    *(
        AddsUp(
            f"new_{channel}_users_add_up",
            (Total("growth_drivers", f"new_{channel}_users"),),
            (Total("dim_users", f"CASE WHEN first_utm_source = '{channel}' THEN 1 ELSE 0 END"),),
            f"new_{channel}_users of all days add up to the users of that channel",
        )
        for channel in CHANNELS
    ),
    AddsUp(
        "total_new_users_add_up",
        (Total("growth_drivers", "total_new_users"),),
        # Of a row without a user_id that column's own check reports.
        (Total("dim_users", "CASE WHEN user_id IS NOT NULL THEN 1 ELSE 0 END"),),
        "total_new_users of all days add up to the users of dim_users",
    ),
    AddsUp(
        "total_new_users_on_first_dates",
        (Total("growth_drivers", f"total_new_users * {_SINCE_2000.format('event_date')}"),),
        (Total("dim_users", _SINCE_2000.format("first_seen_date")),),
        "the days of total_new_users are the first_seen_date of dim_users: counted from 2000, "
        "they add up to the same",
    ),
)
