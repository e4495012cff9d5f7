"""Statements that break the rules of events and users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.statements import NEWCOMER, again, at, newcomer, without

_ALONE = "user_id IN (SELECT user_id FROM fct_events GROUP BY user_id HAVING count(*) = 1)"

_LAST_OF_USER = (
    "event_id IN (SELECT last(event_id ORDER BY event_time, event_id) FROM fct_events "
    "GROUP BY user_id HAVING count(*) > 1)"
)

_NEIGHBOUR = (
    "(SELECT max(e.event_time) FROM fct_events AS e WHERE e.user_id = fct_events.user_id "
    "AND (e.event_time, e.event_id) < (fct_events.event_time, fct_events.event_id))"
)

RICH = "current_miles_balance >= 10"

_NO_EVENTS = ", ".join(
    f"0 AS {name}"
    for name in (
        "total_miles_earned",
        "total_miles_redeemed",
        "current_miles_balance",
        "miles_earned_transactions",
        "miles_redeemed_transactions",
        "share_events",
        "like_events",
        "reward_search_events",
        "active_days",
        "active_days_28d",
    )
)

# Some of a user's active dates may be before the last 28.
_LONG_KNOWN = "days_active >= 28 AND active_days > active_days_28d"

# From which days are counted where they are added up.
FIRST_DAY = (
    "TIMESTAMP '2000-01-01 00:00:00' AS first_seen_at, DATE '2000-01-01' AS first_seen_date, "
    "last_seen_date - DATE '2000-01-01' AS days_active"
)


def ghost(user_id: str, *others: str) -> str:
    """A further row of dim_users that adds nothing to any sum but that of users."""
    replaced = ", ".join([f"{user_id} AS user_id, NULL AS first_utm_source", _NO_EVENTS, *others])
    return (
        f"INSERT INTO dim_users SELECT * REPLACE ({replaced}) FROM dim_users "
        "WHERE NOT has_negative_balance ORDER BY user_id LIMIT 1"
    )


_DATE_OF_GHOST = (
    "(SELECT first_seen_date FROM dim_users WHERE NOT has_negative_balance "
    "ORDER BY user_id LIMIT 1)"
)

OF_USERS: Final[Mapping[str, list[str]]] = {
    # fct_events
    "fct_events.event_id.not_null": [at("fct_events", "TRUE", "event_id = NULL")],
    "fct_events.user_id.not_null": [at("fct_events", _ALONE, "user_id = NULL")],
    "fct_events.session_id.not_null": [at("fct_events", _ALONE, "session_id = NULL")],
    "fct_events.session_id.pattern": [at("fct_events", _ALONE, "session_id = 'none'")],
    "fct_events.event_id.unique": [
        f"UPDATE fct_events SET event_id = (SELECT min(event_id) FROM fct_events WHERE {_ALONE}) "
        f"WHERE event_id = (SELECT max(event_id) FROM fct_events WHERE {_ALONE})"
    ],
    "fct_events.one_start_each": [
        "UPDATE fct_events SET session_id = "
        f"(SELECT min(session_id) FROM fct_events WHERE {_ALONE}) "
        f"WHERE session_id = (SELECT max(session_id) FROM fct_events WHERE {_ALONE})"
    ],
    "fct_events.user_id.in_dim_users": [at("fct_events", _ALONE, "user_id = 'nobody'")],
    "fct_events.event_date_of_event_time": [
        at("fct_events", "TRUE", "event_date = event_date + 1")
    ],
    "fct_events.miles_of_miles_types": [
        at("fct_events", "event_type = 'share'", "miles_amount = 5")
    ],
    "fct_events.event_time_not_ahead": [
        at("fct_events", "TRUE", "processed_at = event_time - INTERVAL 1 HOUR")
    ],
    "fct_events.start_is_first": [at("fct_events", "is_session_start = 1", "is_session_start = 0")],
    "fct_events.sequences_without_a_hole": [
        at(
            "fct_events",
            f"event_sequence_in_session = 2 AND {_LAST_OF_USER}",
            "event_sequence_in_session = 3",
        )
    ],
    "fct_events.no_gap_inside": [
        at(
            "fct_events",
            f"event_sequence_in_session > 1 AND {_LAST_OF_USER}",
            f"event_time = {_NEIGHBOUR} + INTERVAL 30 MINUTE",
            f"event_date = CAST({_NEIGHBOUR} + INTERVAL 30 MINUTE AS DATE)",
        )
    ],
    "fct_events.no_shorter_gap_between": [
        at(
            "fct_events",
            f"event_sequence_in_session = 1 AND {_LAST_OF_USER}",
            f"event_time = {_NEIGHBOUR} + INTERVAL 1799999 MILLISECOND",
            f"event_date = CAST({_NEIGHBOUR} + INTERVAL 1799999 MILLISECOND AS DATE)",
        )
    ],
    "fct_events.input_adds_up": [without("dead_letter_events", "error_type = 'bad_event_time'")],
    # dim_users
    "dim_users.user_id.not_null": [ghost("NULL", FIRST_DAY)],
    "dim_users.user_id.unique": [ghost("user_id"), newcomer(_DATE_OF_GHOST, 1)],
    "dim_users.first_seen_at.not_null": [
        at("dim_users", "NOT has_negative_balance", "first_seen_at = NULL")
    ],
    "dim_users.first_seen_date_of_first_seen_at": [
        at(
            "dim_users",
            "TRUE",
            "first_seen_date = first_seen_date - 1",
            "days_active = days_active + 1",
        ),
        newcomer(f"{NEWCOMER} - 1", 1),
        newcomer(NEWCOMER, -1),
    ],
    "dim_users.last_seen_date_of_last_seen_at": [
        at(
            "dim_users",
            "TRUE",
            "last_seen_date = last_seen_date + 1",
            "days_active = days_active + 1",
        )
    ],
    "dim_users.first_seen_before_last": [
        at(
            "dim_users",
            "NOT has_negative_balance AND EXTRACT(HOUR FROM first_seen_at) > 0 AND active_days = 1",
            "last_seen_at = first_seen_at - INTERVAL 1 MINUTE",
            "last_seen_date = first_seen_date",
            "days_active = 0",
        )
    ],
    "dim_users.days_active_between_dates": [
        at("dim_users", "TRUE", "days_active = days_active + 1")
    ],
    "dim_users.active_days.not_null": [
        at("dim_users", "active_days = 1", "active_days = NULL"),
        at("dim_users", _LONG_KNOWN, "active_days = active_days + 1"),
    ],
    "dim_users.active_days_28d.range": [
        at("dim_users", _LONG_KNOWN, "active_days_28d = -1"),
    ],
    "dim_users.active_days_within_life": [
        at("dim_users", "days_active = 0", "active_days = 2", "active_days_28d = 2"),
        at("dim_users", _LONG_KNOWN, "active_days = active_days - 1"),
    ],
    "dim_users.active_days_28d_within_active_days": [
        at("dim_users", _LONG_KNOWN, "active_days_28d = active_days + 1")
    ],
    "dim_users.active_days_add_up": [at("dim_users", _LONG_KNOWN, "active_days = active_days + 1")],
    "dim_users.balance_adds_up": [
        at("dim_users", RICH, "current_miles_balance = current_miles_balance + 1")
    ],
    "dim_users.negative_balance_flag": [
        at("dim_users", "has_negative_balance", "has_negative_balance = FALSE")
    ],
    "dim_users.earned_by_transactions": [
        at(
            "dim_users",
            f"{RICH} AND miles_earned_transactions > 0",
            "total_miles_earned = total_miles_earned - 5",
            "current_miles_balance = current_miles_balance - 5",
        ),
        at(
            "dim_users",
            "miles_earned_transactions = 0 AND NOT has_negative_balance",
            "total_miles_earned = 5",
            "current_miles_balance = current_miles_balance + 5",
        ),
    ],
    "dim_users.redeemed_by_transactions": [
        at(
            "dim_users",
            f"{RICH} AND miles_redeemed_transactions > 0",
            "total_miles_redeemed = total_miles_redeemed - 5",
            "current_miles_balance = current_miles_balance + 5",
        ),
        at(
            "dim_users",
            f"{RICH} AND miles_redeemed_transactions = 0",
            "total_miles_redeemed = 5",
            "current_miles_balance = current_miles_balance - 5",
        ),
    ],
    "dim_users.user_id.in_users_with_negative_miles": [
        "DELETE FROM users_with_negative_miles WHERE user_id = "
        "(SELECT min(user_id) FROM users_with_negative_miles)"
    ],
    # users_with_negative_miles
    "users_with_negative_miles.user_id.unique": [again("users_with_negative_miles", "TRUE")],
    "users_with_negative_miles.user_id.not_null": [
        again("users_with_negative_miles", "TRUE", user_id="NULL")
    ],
    "users_with_negative_miles.user_id.in_dim_users": [
        again("users_with_negative_miles", "TRUE", user_id="'nobody'")
    ],
    "users_with_negative_miles.negative_amount_of_balance": [
        at("users_with_negative_miles", "TRUE", "negative_amount = negative_amount + 1")
    ],
    "users_with_negative_miles.current_miles_balance_of_dim_users": [
        at(
            "users_with_negative_miles",
            "TRUE",
            "negative_amount = negative_amount + 1",
            "current_miles_balance = current_miles_balance - 1",
        )
    ],
    **{
        f"users_with_negative_miles.{column}_of_dim_users": [
            at("users_with_negative_miles", "TRUE", f"{column} = {column} + {more}")
        ]
        for column, more in (
            ("first_seen_at", "INTERVAL 1 SECOND"),
            ("last_seen_at", "INTERVAL 1 SECOND"),
            ("total_miles_earned", "1"),
            ("total_miles_redeemed", "1"),
        )
    },
}
