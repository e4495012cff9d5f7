"""Statements that break the rules of channels, miles and what moves growth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.of_users import FIRST_DAY, RICH, ghost
from tests.support.breakages.statements import BUSY, GD, GM, MA, NEWCOMER, at, day, newcomer


def _shifted_miles(kind: str, more: str, less: str) -> list[str]:
    """A date takes miles from a later one: the running totals in between are higher."""
    later = (
        f"(SELECT min(event_date) FROM {MA} WHERE event_date > {BUSY} AND daily_miles_{kind} > 7)"
    )
    return [
        f"UPDATE {MA} SET cumulative_miles_{kind} = cumulative_miles_{kind} + 7 "
        f"WHERE event_date >= {BUSY} AND event_date < {later}",
        f"UPDATE {MA} SET daily_miles_{kind} = daily_miles_{kind} + 7, "
        f"net_miles_change = net_miles_change {more} 7 WHERE event_date = {BUSY}",
        f"UPDATE {MA} SET daily_miles_{kind} = daily_miles_{kind} - 7, "
        f"net_miles_change = net_miles_change {less} 7 WHERE event_date = {later}",
    ]


def _falling(kind: str, sign: str) -> list[str]:
    """The running total falls on the last date, and so does some user's total."""
    last = f"event_date = (SELECT max(event_date) FROM {MA})"
    user = f"total_miles_{kind} > 10 AND current_miles_balance > 10"
    return [
        f"UPDATE {MA} SET cumulative_miles_{kind} = cumulative_miles_{kind} - 1 WHERE {last}",
        at(
            "dim_users",
            user,
            f"total_miles_{kind} = total_miles_{kind} - 1",
            f"current_miles_balance = current_miles_balance {sign} 1",
        ),
    ]


OF_DRIVERS: Final[Mapping[str, list[str]]] = {
    # growth_drivers
    f"{GD}.daily_active_users_of_{GM}": [
        day(GD, BUSY, "daily_active_users = daily_active_users + 1"),
        ":gd",
    ],
    f"{GD}.event_types_add_up": [
        day(GD, BUSY, "total_daily_events = total_daily_events + 1"),
        day(GD, f"{BUSY} + 1", "total_daily_events = total_daily_events - 1"),
    ],
    **{
        f"{GD}.{users}_by_events": [
            day(GD, BUSY, f"{users} = {events} + 1"),
            *(
                [
                    day(
                        MA,
                        BUSY,
                        f"{other} = (SELECT {users} FROM {GD} WHERE event_date = {BUSY})",
                    )
                ]
                if other
                else []
            ),
            ":gd",
        ]
        for users, events, other in (
            ("users_earning_miles", "miles_earning_events", "users_earning"),
            ("users_redeeming_miles", "miles_redemption_events", "users_redeeming"),
            ("users_sharing", "daily_shares", ""),
            ("users_liking", "daily_likes", ""),
            ("users_searching", "daily_searches", ""),
        )
    },
    f"{GD}.channels_add_up": [day(GD, BUSY, "new_other_users = new_other_users + 1")],
    **{
        f"{GD}.{name}_events_per_user_known": [
            at(GD, f"{name}_users > 0", f"{name}_events_per_user = NULL")
        ]
        for name in ("ios", "android", "web")
    },
    f"{GD}.social_engagement_level_known": [
        at(GD, "daily_active_users > 0", "social_engagement_level = NULL")
    ],
    f"{GD}.net_miles_change_adds_up": [
        at(GD, "net_miles_change > 100", "net_miles_change = net_miles_change + 1")
    ],
    **{
        f"{GD}.{column}_of_{MA}": [
            day(
                MA,
                f"(SELECT max(event_date) FROM {MA} WHERE {other} > 0)",
                f"{other} = {other} + 1",
            )
        ]
        for column, other in (
            ("users_earning_miles", "users_earning"),
            ("users_redeeming_miles", "users_redeeming"),
            ("miles_earning_events", "earning_transactions"),
            ("miles_redemption_events", "redeeming_transactions"),
        )
    },
    f"{GD}.daily_miles_earned_of_{MA}": _shifted_miles("earned", "+", "-"),
    f"{GD}.daily_miles_redeemed_of_{MA}": _shifted_miles("redeemed", "-", "+"),
    f"{GD}.events_add_up": [
        day(
            GD,
            BUSY,
            "total_daily_events = total_daily_events + 1",
            "daily_shares = daily_shares + 1",
        ),
        at("dim_users", "TRUE", "share_events = share_events + 1"),
    ],
    **{
        f"{GD}.{column}_add_up": [
            at("dim_users", f"{of_users} > 0", f"{of_users} = {of_users} + 1")
        ]
        for column, of_users in (
            ("miles_earning_events", "miles_earned_transactions"),
            ("miles_redemption_events", "miles_redeemed_transactions"),
            ("daily_shares", "share_events"),
            ("daily_likes", "like_events"),
            ("daily_searches", "reward_search_events"),
        )
    },
    **{
        f"{GD}.new_{channel}_users_add_up": [
            at("dim_users", f"first_utm_source = '{channel}'", "first_utm_source = NULL")
        ]
        for channel in ("organic", "paid", "social", "referral")
    },
    f"{GD}.total_new_users_add_up": [ghost("'ghost'", FIRST_DAY)],
    f"{GD}.total_new_users_on_first_dates": [
        newcomer(f"{NEWCOMER} - 1", 1),
        newcomer(NEWCOMER, -1),
    ],
    # miles_analytics
    f"{MA}.event_date.not_null": [
        f"INSERT INTO {MA} SELECT * REPLACE (NULL AS event_date, 0 AS daily_miles_earned, "
        "0 AS daily_miles_redeemed, 0 AS net_miles_change) "
        f"FROM {MA} WHERE event_date = (SELECT max(event_date) FROM {MA})"
    ],
    f"{MA}.net_miles_change_adds_up": [day(MA, BUSY, "net_miles_change = net_miles_change + 1")],
    f"{MA}.cumulative_miles_earned_never_fall": _falling("earned", "-"),
    f"{MA}.cumulative_miles_redeemed_never_fall": _falling("redeemed", "+"),
    **{
        f"{MA}.cumulative_miles_{kind}_rise_by_day": [
            f"UPDATE {MA} SET cumulative_miles_{kind} = cumulative_miles_{kind} + 1 "
            "WHERE event_date = (SELECT min(m.event_date) FROM miles_analytics AS m "
            "JOIN miles_analytics AS n ON n.event_date = m.event_date + 1 "
            f"WHERE n.daily_miles_{kind} > 1)"
        ]
        for kind in ("earned", "redeemed")
    },
    **{
        f"{MA}.cumulative_miles_{kind}_end_at_users": [
            at(
                "dim_users",
                f"{RICH} AND total_miles_{kind} > 0",
                f"total_miles_{kind} = total_miles_{kind} + 1",
                f"current_miles_balance = current_miles_balance {sign} 1",
            )
        ]
        for kind, sign in (("earned", "+"), ("redeemed", "-"))
    },
}
