"""For each check statements that break its rule, and no other, in a copy of correct tables.

Kinds that are all alike are broken by one pattern; a relation needs statements of its own, which
keep what else is asked of the row. `:gm`, `:rqf` ... stand for statements that bring a table's
computed columns up to date, by formulas written down here once more.
"""

from __future__ import annotations

from typing import Final

from transforms.contract import FLOAT, STRING
from transforms.marts.registry import TABLES
from transforms.quality.compile import Check, ColumnRule, RowRule
from transforms.quality.declaration import InRange, Matches, OneOf

GM: Final = "growth_metrics"
RQF: Final = "retention_quality_framework"
URA: Final = "user_resurrection_analysis"
GD: Final = "growth_drivers"
MA: Final = "miles_analytics"
SOCIAL: Final = "social_capital_growth_accounting"
QRA: Final = "quick_ratio_analysis"
SM: Final = "session_metrics"
DAILY: Final = (GM, RQF, URA, GD, MA, SM)

# Tables that say again by week, segment, curve or type what others say: what is broken there does
# not add up to these any more, and their own columns hang together so closely that one is rarely
# wrong alone.
AGAIN: Final = (
    "weekly_growth_accounting",
    "growth_by_segment",
    "growth_by_segment_monthly",
    "retention_curves",
    "engagement_distribution",
    "events_by_type",
    SM,
)

# Two dates on which, and before which, nobody was active; a busy one; and a month like the first.
_SILENT, _BUSY = "DATE '2024-04-20'", "DATE '2024-02-10'"
_SILENT_MONTH = "DATE '2024-04-01'"
_SILENT_OF = {"activity_month": _SILENT_MONTH, "activity_week": "DATE '2024-04-15'"}
_EARLY = "DATE '2001-01-01'"
_MARCH = "DATE '2024-03-01'"


def _pct(part: str, whole: str) -> str:
    return f"100 * ({part}) / NULLIF({whole}, 0)"


_DORMANT = (
    "{0}.short_dormancy_resurrections * {1} + {0}.medium_dormancy_resurrections * {2} "
    "+ {0}.long_dormancy_resurrections * {3} + {0}.very_long_dormancy_resurrections * {4}"
)

REFRESH: Final = {
    ":gm": [
        f"UPDATE {GM} SET new_users_pct = {_pct('new_users', 'daily_active_users')}, "
        f"retained_users_pct = {_pct('retained_users', 'daily_active_users')}, "
        "daily_quick_ratio = (new_users + resurrected_users) / NULLIF(churned_users, 0), "
        f"dau_wau_stickiness = {_pct('daily_active_users', 'weekly_active_users_7d')}, "
        f"wau_mau_stickiness = {_pct('weekly_active_users_7d', 'monthly_active_users_30d')}",
        f"UPDATE {GM} SET day_over_day_retention_pct = {_pct('retained_users', 'dau')} "
        f"FROM (SELECT event_date + 1 AS day, daily_active_users AS dau FROM {GM}) "
        "WHERE day = event_date",
        f"UPDATE {GM} SET daily_growth_quality = CASE WHEN daily_quick_ratio IS NULL "
        "THEN 'Unknown' WHEN daily_quick_ratio < 1 THEN 'Declining' "
        "WHEN daily_quick_ratio < 1.5 THEN 'Healthy' ELSE 'Strong' END",
    ],
    ":rqf": [
        f"UPDATE {RQF} SET consecutive_today_pct = "
        f"{_pct('users_consecutive_today', 'daily_active_users')}",
        f"UPDATE {RQF} SET daily_retention_health_score = FLOOR("
        f"100 * (3 * users_consecutive_today + {_DORMANT.format('u', 2, 1, 1, 1)}) "
        f"/ NULLIF(3 * daily_active_users, 0) + 0.5) FROM {URA} AS u "
        f"WHERE u.event_date = {RQF}.event_date",
        f"UPDATE {RQF} SET retention_quality_category = CASE "
        "WHEN consecutive_today_pct >= 80 THEN 'Excellent' WHEN consecutive_today_pct >= 60 "
        "THEN 'Good' WHEN consecutive_today_pct >= 40 THEN 'Average' "
        "WHEN consecutive_today_pct >= 20 THEN 'Below Average' "
        "WHEN consecutive_today_pct >= 0 THEN 'Poor' END, "
        "engagement_trend = CASE WHEN consecutive_today_pct > 70 THEN 'High Engagement' "
        "WHEN consecutive_today_pct >= 40 THEN 'Moderate Engagement' "
        "WHEN consecutive_today_pct >= 0 THEN 'Low Engagement' END",
    ],
    ":ura": [
        f"UPDATE {URA} SET resurrection_pct_of_dau = {_pct('total_resurrections', 'g.dau')}, "
        "resurrection_effectiveness_score = "
        f"{_pct(_DORMANT.format(URA, 1, 2, 3, 4), 'g.dau')} "
        f"FROM (SELECT event_date AS day, daily_active_users AS dau FROM {GM}) AS g "
        "WHERE g.day = event_date",
        f"UPDATE {URA} SET resurrection_quality_category = CASE "
        "WHEN resurrection_pct_of_dau >= 30 THEN 'Excellent' WHEN resurrection_pct_of_dau >= 20 "
        "THEN 'Good' WHEN resurrection_pct_of_dau >= 10 THEN 'Average' "
        "WHEN resurrection_pct_of_dau >= 5 THEN 'Below Average' "
        "WHEN resurrection_pct_of_dau >= 0 THEN 'Poor' END, "
        "resurrection_pattern = CASE WHEN total_resurrections = 0 THEN 'No Resurrections' "
        "WHEN short_dormancy_resurrections > medium_dormancy_resurrections "
        "+ long_dormancy_resurrections THEN 'Quick Return Focus' "
        "WHEN long_dormancy_resurrections + very_long_dormancy_resurrections "
        "> short_dormancy_resurrections THEN 'Long-term Recovery' ELSE 'Balanced Recovery' END",
    ],
    ":gd": [
        f"UPDATE {GD} SET "
        + ", ".join(
            f"{column} = {_pct(users, 'daily_active_users')}"
            for column, users in {
                "earning_user_pct": "users_earning_miles",
                "redeeming_user_pct": "users_redeeming_miles",
                "sharing_user_pct": "users_sharing",
                "liking_user_pct": "users_liking",
                "searching_user_pct": "users_searching",
                "ios_user_pct": "ios_users",
                "android_user_pct": "android_users",
                "web_user_pct": "web_users",
            }.items()
        )
        + ", feature_adoption_score = FLOOR((30 * users_earning_miles + 20 * users_redeeming_miles "
        "+ 20 * users_sharing + 15 * users_liking + 15 * users_searching) "
        "/ NULLIF(daily_active_users, 0) + 0.5)",
    ],
    ":social": [
        f"UPDATE {SOCIAL} SET quick_ratio = (new_users + resurrected_users) "
        "/ NULLIF(churned_users, 0)",
        f"UPDATE {SOCIAL} SET retention_rate_pct = {_pct('retained_users', 'mau')} FROM "
        f"(SELECT activity_month + INTERVAL 1 MONTH AS month, total_mau AS mau FROM {SOCIAL}) "
        "WHERE month = activity_month",
        f"UPDATE {SOCIAL} SET growth_quality_category = CASE WHEN quick_ratio IS NULL "
        "THEN 'Unknown' WHEN quick_ratio < 1 THEN 'Declining' WHEN quick_ratio < 1.5 "
        "THEN 'Typical Consumer' WHEN quick_ratio < 2 THEN 'Good Consumer' "
        "ELSE 'Excellent Consumer' END",
    ],
    ":qra": [
        f"UPDATE {QRA} SET quick_ratio = s.quick_ratio, growth_quality_score = CASE "
        "WHEN s.quick_ratio > 2 THEN 100 ELSE FLOOR(50 * (s.new_users + s.resurrected_users) "
        "/ NULLIF(s.churned_users, 0) + 0.5) END, retention_benchmark = CASE "
        "WHEN s.retention_rate_pct >= 80 THEN 'Excellent (80%+)' "
        "WHEN s.retention_rate_pct >= 60 THEN 'Good (60-80%)' "
        "WHEN s.retention_rate_pct >= 40 THEN 'Average (40-60%)' "
        "WHEN s.retention_rate_pct >= 20 THEN 'Below Average (20-40%)' "
        "WHEN s.retention_rate_pct >= 0 THEN 'Poor (<20%)' END "
        f"FROM {SOCIAL} AS s WHERE s.activity_month = {QRA}.activity_month",
        f"UPDATE {QRA} SET quick_ratio_benchmark = CASE WHEN quick_ratio >= 2 "
        "THEN 'Top Tier (2.0+)' WHEN quick_ratio >= 1.5 THEN 'Strong (1.5-2.0)' "
        "WHEN quick_ratio >= 1 THEN 'Healthy (1.0-1.5)' WHEN quick_ratio >= 0.8 "
        "THEN 'Concerning (0.8-1.0)' WHEN quick_ratio >= 0 THEN 'Critical (<0.8)' END",
    ],
    ":judged": [
        f"UPDATE {QRA} SET alert_level = CASE WHEN s.quick_ratio < 1 "
        "THEN 'CRITICAL: Quick Ratio Below 1.0' ELSE 'OK' END, strategic_recommendation = CASE "
        "WHEN s.quick_ratio < 1 THEN 'Focus on reducing churn before growth' "
        "WHEN s.quick_ratio >= 1.5 AND s.retention_rate_pct >= 60 "
        "THEN 'Invest heavily in user acquisition' WHEN s.retention_rate_pct < 40 "
        "THEN 'Improve product stickiness and onboarding' WHEN s.new_users = 0 "
        "THEN 'Restart user acquisition efforts' ELSE 'Optimize current growth strategy' END "
        f"FROM {SOCIAL} AS s WHERE s.activity_month = {QRA}.activity_month",
    ],
    ":carried": [
        f"UPDATE {QRA} SET alert_level = b.alert_level, "
        "strategic_recommendation = b.strategic_recommendation "
        f"FROM (SELECT activity_month + INTERVAL 1 MONTH AS month, * FROM {QRA}) AS b "
        f"WHERE b.month = {QRA}.activity_month AND NOT {QRA}.is_complete",
    ],
    ":rc": [f"UPDATE retention_cohorts SET retention_rate = {_pct('users_active', 'cohort_size')}"],
}


def _at(table: str, where: str, *sets: str) -> str:
    """An update of the first row for which a condition holds."""
    key = ", ".join(TABLES[table].primary_key or (TABLES[table].columns[0].name,))
    first = f"SELECT rowid FROM {table} WHERE {where} ORDER BY {key} LIMIT 1"
    return f"UPDATE {table} SET {', '.join(sets)} WHERE rowid = ({first})"


def _again(table: str, where: str, **values: str) -> str:
    """An insert of a copy of the first row for which a condition holds, with other values."""
    shown = ", ".join(f"{value} AS {name}" for name, value in values.items())
    replaced = f" REPLACE ({shown})" if shown else ""
    key = ", ".join(TABLES[table].primary_key)
    return (
        f"INSERT INTO {table} SELECT *{replaced} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1"
    )


def _without(table: str, where: str) -> str:
    return f"DELETE FROM {table} WHERE {where}"


_ALONE = "user_id IN (SELECT user_id FROM fct_events GROUP BY user_id HAVING count(*) = 1)"
_LAST_OF_USER = (
    "event_id IN (SELECT last(event_id ORDER BY event_time, event_id) FROM fct_events "
    "GROUP BY user_id HAVING count(*) > 1)"
)
_NEIGHBOUR = (
    "(SELECT max(e.event_time) FROM fct_events AS e WHERE e.user_id = fct_events.user_id "
    "AND (e.event_time, e.event_id) < (fct_events.event_time, fct_events.event_id))"
)
_RICH = "current_miles_balance >= 10"
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
_FIRST_DAY = (
    "TIMESTAMP '2000-01-01 00:00:00' AS first_seen_at, DATE '2000-01-01' AS first_seen_date, "
    "last_seen_date - DATE '2000-01-01' AS days_active"
)


def _ghost(user_id: str, *others: str) -> str:
    """A further row of dim_users that adds nothing to any sum but that of users."""
    replaced = ", ".join([f"{user_id} AS user_id, NULL AS first_utm_source", _NO_EVENTS, *others])
    return (
        f"INSERT INTO dim_users SELECT * REPLACE ({replaced}) FROM dim_users "
        "WHERE NOT has_negative_balance ORDER BY user_id LIMIT 1"
    )


def _day(table: str, date: str, *sets: str) -> str:
    return _at(table, f"event_date = {date}", *sets)


def _newcomer(date: str, more: int) -> str:
    """A date has more or fewer new users of no channel."""
    return _day(
        GD,
        date,
        f"new_other_users = new_other_users + {more}",
        f"total_new_users = total_new_users + {more}",
    )


# A date with a new user of no channel.
_NEWCOMER = f"(SELECT max(event_date) FROM {GD} WHERE new_other_users > 0)"
_DATE_OF_GHOST = (
    "(SELECT first_seen_date FROM dim_users WHERE NOT has_negative_balance "
    "ORDER BY user_id LIMIT 1)"
)


def _running(key: str, tables: tuple[str, ...], running: str) -> list[str]:
    """Another period is the one that runs; NULL for none."""
    complete = f"COALESCE({key} <> {running}, TRUE)"
    return [f"UPDATE {table} SET is_complete = {complete}" for table in tables]


def _shifted_miles(kind: str, more: str, less: str) -> list[str]:
    """A date takes miles from a later one: the running totals in between are higher."""
    later = (
        f"(SELECT min(event_date) FROM {MA} WHERE event_date > {_BUSY} AND daily_miles_{kind} > 7)"
    )
    return [
        f"UPDATE {MA} SET cumulative_miles_{kind} = cumulative_miles_{kind} + 7 "
        f"WHERE event_date >= {_BUSY} AND event_date < {later}",
        f"UPDATE {MA} SET daily_miles_{kind} = daily_miles_{kind} + 7, "
        f"net_miles_change = net_miles_change {more} 7 WHERE event_date = {_BUSY}",
        f"UPDATE {MA} SET daily_miles_{kind} = daily_miles_{kind} - 7, "
        f"net_miles_change = net_miles_change {less} 7 WHERE event_date = {later}",
    ]


def _falling(kind: str, sign: str) -> list[str]:
    """The running total falls on the last date, and so does some user's total."""
    last = f"event_date = (SELECT max(event_date) FROM {MA})"
    user = f"total_miles_{kind} > 10 AND current_miles_balance > 10"
    return [
        f"UPDATE {MA} SET cumulative_miles_{kind} = cumulative_miles_{kind} - 1 WHERE {last}",
        _at(
            "dim_users",
            user,
            f"total_miles_{kind} = total_miles_{kind} - 1",
            f"current_miles_balance = current_miles_balance {sign} 1",
        ),
    ]


_OWN: Final[dict[str, list[str]]] = {
    # fct_events
    "fct_events.event_id.not_null": [_at("fct_events", "TRUE", "event_id = NULL")],
    "fct_events.user_id.not_null": [_at("fct_events", _ALONE, "user_id = NULL")],
    "fct_events.session_id.not_null": [_at("fct_events", _ALONE, "session_id = NULL")],
    "fct_events.session_id.pattern": [_at("fct_events", _ALONE, "session_id = 'none'")],
    "fct_events.event_id.unique": [
        f"UPDATE fct_events SET event_id = (SELECT min(event_id) FROM fct_events WHERE {_ALONE}) "
        f"WHERE event_id = (SELECT max(event_id) FROM fct_events WHERE {_ALONE})"
    ],
    "fct_events.one_start_each": [
        "UPDATE fct_events SET session_id = "
        f"(SELECT min(session_id) FROM fct_events WHERE {_ALONE}) "
        f"WHERE session_id = (SELECT max(session_id) FROM fct_events WHERE {_ALONE})"
    ],
    "fct_events.user_id.in_dim_users": [_at("fct_events", _ALONE, "user_id = 'nobody'")],
    "fct_events.event_date_of_event_time": [
        _at("fct_events", "TRUE", "event_date = event_date + 1")
    ],
    "fct_events.miles_of_miles_types": [
        _at("fct_events", "event_type = 'share'", "miles_amount = 5")
    ],
    "fct_events.event_time_not_ahead": [
        _at("fct_events", "TRUE", "processed_at = event_time - INTERVAL 1 HOUR")
    ],
    "fct_events.start_is_first": [
        _at("fct_events", "is_session_start = 1", "is_session_start = 0")
    ],
    "fct_events.sequences_without_a_hole": [
        _at(
            "fct_events",
            f"event_sequence_in_session = 2 AND {_LAST_OF_USER}",
            "event_sequence_in_session = 3",
        )
    ],
    "fct_events.no_gap_inside": [
        _at(
            "fct_events",
            f"event_sequence_in_session > 1 AND {_LAST_OF_USER}",
            f"event_time = {_NEIGHBOUR} + INTERVAL 30 MINUTE",
            f"event_date = CAST({_NEIGHBOUR} + INTERVAL 30 MINUTE AS DATE)",
        )
    ],
    "fct_events.no_shorter_gap_between": [
        _at(
            "fct_events",
            f"event_sequence_in_session = 1 AND {_LAST_OF_USER}",
            f"event_time = {_NEIGHBOUR} + INTERVAL 1799999 MILLISECOND",
            f"event_date = CAST({_NEIGHBOUR} + INTERVAL 1799999 MILLISECOND AS DATE)",
        )
    ],
    "fct_events.input_adds_up": [_without("dead_letter_events", "error_type = 'bad_event_time'")],
    # dim_users
    "dim_users.user_id.not_null": [_ghost("NULL", _FIRST_DAY)],
    "dim_users.user_id.unique": [_ghost("user_id"), _newcomer(_DATE_OF_GHOST, 1)],
    "dim_users.first_seen_at.not_null": [
        _at("dim_users", "NOT has_negative_balance", "first_seen_at = NULL")
    ],
    "dim_users.first_seen_date_of_first_seen_at": [
        _at(
            "dim_users",
            "TRUE",
            "first_seen_date = first_seen_date - 1",
            "days_active = days_active + 1",
        ),
        _newcomer(f"{_NEWCOMER} - 1", 1),
        _newcomer(_NEWCOMER, -1),
    ],
    "dim_users.last_seen_date_of_last_seen_at": [
        _at(
            "dim_users",
            "TRUE",
            "last_seen_date = last_seen_date + 1",
            "days_active = days_active + 1",
        )
    ],
    "dim_users.first_seen_before_last": [
        _at(
            "dim_users",
            "NOT has_negative_balance AND EXTRACT(HOUR FROM first_seen_at) > 0 AND active_days = 1",
            "last_seen_at = first_seen_at - INTERVAL 1 MINUTE",
            "last_seen_date = first_seen_date",
            "days_active = 0",
        )
    ],
    "dim_users.days_active_between_dates": [
        _at("dim_users", "TRUE", "days_active = days_active + 1")
    ],
    "dim_users.active_days.not_null": [
        _at("dim_users", "active_days = 1", "active_days = NULL"),
        _at("dim_users", _LONG_KNOWN, "active_days = active_days + 1"),
    ],
    "dim_users.active_days_28d.range": [
        _at("dim_users", _LONG_KNOWN, "active_days_28d = -1"),
    ],
    "dim_users.active_days_within_life": [
        _at("dim_users", "days_active = 0", "active_days = 2", "active_days_28d = 2"),
        _at("dim_users", _LONG_KNOWN, "active_days = active_days - 1"),
    ],
    "dim_users.active_days_28d_within_active_days": [
        _at("dim_users", _LONG_KNOWN, "active_days_28d = active_days + 1")
    ],
    "dim_users.active_days_add_up": [
        _at("dim_users", _LONG_KNOWN, "active_days = active_days + 1")
    ],
    "dim_users.balance_adds_up": [
        _at("dim_users", _RICH, "current_miles_balance = current_miles_balance + 1")
    ],
    "dim_users.negative_balance_flag": [
        _at("dim_users", "has_negative_balance", "has_negative_balance = FALSE")
    ],
    "dim_users.earned_by_transactions": [
        _at(
            "dim_users",
            f"{_RICH} AND miles_earned_transactions > 0",
            "total_miles_earned = total_miles_earned - 5",
            "current_miles_balance = current_miles_balance - 5",
        ),
        _at(
            "dim_users",
            "miles_earned_transactions = 0 AND NOT has_negative_balance",
            "total_miles_earned = 5",
            "current_miles_balance = current_miles_balance + 5",
        ),
    ],
    "dim_users.redeemed_by_transactions": [
        _at(
            "dim_users",
            f"{_RICH} AND miles_redeemed_transactions > 0",
            "total_miles_redeemed = total_miles_redeemed - 5",
            "current_miles_balance = current_miles_balance + 5",
        ),
        _at(
            "dim_users",
            f"{_RICH} AND miles_redeemed_transactions = 0",
            "total_miles_redeemed = 5",
            "current_miles_balance = current_miles_balance - 5",
        ),
    ],
    "dim_users.user_id.in_users_with_negative_miles": [
        "DELETE FROM users_with_negative_miles WHERE user_id = "
        "(SELECT min(user_id) FROM users_with_negative_miles)"
    ],
    # users_with_negative_miles
    "users_with_negative_miles.user_id.unique": [_again("users_with_negative_miles", "TRUE")],
    "users_with_negative_miles.user_id.not_null": [
        _again("users_with_negative_miles", "TRUE", user_id="NULL")
    ],
    "users_with_negative_miles.user_id.in_dim_users": [
        _again("users_with_negative_miles", "TRUE", user_id="'nobody'")
    ],
    "users_with_negative_miles.negative_amount_of_balance": [
        _at("users_with_negative_miles", "TRUE", "negative_amount = negative_amount + 1")
    ],
    "users_with_negative_miles.current_miles_balance_of_dim_users": [
        _at(
            "users_with_negative_miles",
            "TRUE",
            "negative_amount = negative_amount + 1",
            "current_miles_balance = current_miles_balance - 1",
        )
    ],
    **{
        f"users_with_negative_miles.{column}_of_dim_users": [
            _at("users_with_negative_miles", "TRUE", f"{column} = {column} + {more}")
        ]
        for column, more in (
            ("first_seen_at", "INTERVAL 1 SECOND"),
            ("last_seen_at", "INTERVAL 1 SECOND"),
            ("total_miles_earned", "1"),
            ("total_miles_redeemed", "1"),
        )
    },
    # months
    f"{SOCIAL}.activity_month_is_first_day": [
        _again(SOCIAL, f"activity_month = {_SILENT_MONTH}", activity_month="DATE '2024-04-02'"),
        _again(QRA, f"activity_month = {_SILENT_MONTH}", activity_month="DATE '2024-04-02'"),
    ],
    f"{SOCIAL}.no_missing_month": [
        _without(table, f"activity_month = {_SILENT_MONTH}") for table in (SOCIAL, QRA)
    ],
    f"{SOCIAL}.active_parts_add_up": [
        _at(SOCIAL, "retention_rate_pct < 50", "retained_users = retained_users + 1"),
        ":social",
    ],
    f"{SOCIAL}.verification_total_is_mau": [
        _at(SOCIAL, "TRUE", "verification_total = verification_total + 1")
    ],
    f"{SOCIAL}.active_follows_month_before": [
        _at(SOCIAL, f"activity_month = {_SILENT_MONTH}", "churned_users = churned_users + 1")
    ],
    f"{SOCIAL}.quick_ratio.formula": [
        f"UPDATE {table} SET quick_ratio = quick_ratio * (1 + 1e-9) "
        "WHERE activity_month = DATE '2024-03-01'"
        for table in (SOCIAL, QRA)
    ],
    f"{SOCIAL}.new_users_are_all_cohorts": [
        _at(
            SOCIAL,
            "activity_month = DATE '2024-03-01'",
            "new_users = new_users + 1",
            "retained_users = retained_users - 1",
            "churned_users = churned_users + 1",
        ),
        ":social",
        ":qra",
    ],
    f"{SOCIAL}.activity_month.in_{QRA}": [_without(QRA, f"activity_month = {_SILENT_MONTH}")],
    f"{QRA}.activity_month.in_{SOCIAL}": [
        _again(
            QRA,
            f"activity_month = {_SILENT_MONTH}",
            activity_month=_EARLY,
            retention_benchmark="NULL",
        )
    ],
    f"{QRA}.activity_month.not_null": [
        _again(
            QRA,
            f"activity_month = {_SILENT_MONTH}",
            activity_month="NULL",
            retention_benchmark="NULL",
        )
    ],
    f"{QRA}.quick_ratio_of_growth_accounting": [
        _at(QRA, "activity_month = DATE '2024-03-01'", "quick_ratio = quick_ratio * (1 + 1e-9)")
    ],
    f"{QRA}.critical_below_one": [_at(QRA, "quick_ratio < 1", "alert_level = 'OK'")],
    f"{SOCIAL}.months_before_are_complete": [
        *_running("activity_month", (SOCIAL, QRA), _MARCH),
        ":judged",
        ":carried",
    ],
    f"{SOCIAL}.one_month_runs": [
        *_running("activity_month", (SOCIAL, QRA), "NULL"),
        ":judged",
    ],
    f"{QRA}.is_complete_of_{SOCIAL}": [
        _at(QRA, f"activity_month = {_MARCH}", "is_complete = FALSE"),
        ":carried",
    ],
    f"{QRA}.alert_level_of_running_month": [
        _at(QRA, "NOT is_complete", "alert_level = 'CRITICAL: Quick Ratio Below 1.0'")
    ],
    f"{QRA}.strategic_recommendation_of_running_month": [
        _at(
            QRA,
            "NOT is_complete",
            "strategic_recommendation = 'Focus on reducing churn before growth'",
        )
    ],
    # dates
    f"{GM}.dates_before_are_complete": _running("event_date", DAILY, _BUSY),
    f"{GM}.one_date_runs": _running("event_date", DAILY, "NULL"),
    **{
        f"{table}.is_complete_of_{GM}": [_day(table, _BUSY, "is_complete = FALSE")]
        for table in DAILY[1:]
    },
    f"{GM}.no_missing_date": [_without(table, f"event_date = {_SILENT}") for table in DAILY],
    **{
        f"{GM}.event_date.in_{table}": [_without(table, f"event_date = {_SILENT}")]
        for table in DAILY[1:]
    },
    **{
        f"{table}.event_date.in_{GM}": [
            _again(
                table,
                f"event_date = {_SILENT}",
                event_date=_EARLY,
                **(
                    {"cumulative_miles_earned": "0", "cumulative_miles_redeemed": "0"}
                    if table == MA
                    else {}
                ),
            )
        ]
        for table in DAILY[1:]
    },
    f"{GM}.active_parts_add_up": [
        _day(GM, _SILENT, "retained_users = 1"),
        _day(RQF, _SILENT, "users_consecutive_today = 1"),
    ],
    f"{GM}.active_follows_day_before": [
        _at(GM, "daily_active_users = 0 AND churned_users > 0", "churned_users = churned_users + 1")
    ],
    f"{GM}.daily_active_users_within_weekly_active_users_7d": [
        _at(GM, "daily_active_users > 1", "weekly_active_users_7d = daily_active_users - 1"),
        ":gm",
    ],
    f"{GM}.weekly_active_users_7d_within_active_users_28d": [
        _at(GM, "weekly_active_users_7d > 1", "active_users_28d = weekly_active_users_7d - 1")
    ],
    f"{GM}.active_users_28d_within_monthly_active_users_30d": [
        _at(GM, "TRUE", "active_users_28d = monthly_active_users_30d + 1")
    ],
    f"{GM}.new_users_are_all_cohorts": [
        _at(
            GM,
            "retained_users > 0 AND new_users > 0",
            "new_users = new_users + 1",
            "retained_users = retained_users - 1",
            "churned_users = churned_users + 1",
        ),
        f"UPDATE {RQF} SET users_consecutive_today = g.retained_users FROM {GM} AS g "
        f"WHERE g.event_date = {RQF}.event_date",
        ":gm",
        ":rqf",
    ],
    f"{RQF}.daily_active_users_of_{GM}": [
        _day(
            RQF,
            _BUSY,
            "daily_active_users = daily_active_users + 1",
            "new_stage_users = new_stage_users + 1",
        ),
        ":rqf",
    ],
    f"{RQF}.stages_add_up": [_day(RQF, _BUSY, "new_stage_users = new_stage_users + 1")],
    f"{RQF}.consecutive_are_retained": [
        _at(
            RQF,
            "users_consecutive_today < daily_active_users AND daily_retention_health_score < 20",
            "users_consecutive_today = users_consecutive_today + 1",
        ),
        ":rqf",
    ],
    f"{URA}.total_of_{GM}": [
        _at(
            URA,
            "total_resurrections > 0 AND resurrection_pct_of_dau < 40",
            "total_resurrections = total_resurrections + 1",
            "short_dormancy_resurrections = short_dormancy_resurrections + 1",
        ),
        ":ura",
        ":rqf",
    ],
    f"{URA}.dormancies_add_up": [
        _at(
            URA,
            "total_resurrections > 0 AND resurrection_pct_of_dau < 40",
            "medium_dormancy_resurrections = medium_dormancy_resurrections + 1",
        ),
        ":ura",
        ":rqf",
    ],
    f"{URA}.avg_dormancy_length_known": [
        _at(URA, "total_resurrections > 0", "avg_dormancy_length = NULL")
    ],
    # retention_cohorts
    "retention_cohorts.cohort_month.not_null": [
        "UPDATE retention_cohorts SET cohort_month = NULL "
        "WHERE cohort_month = (SELECT max(cohort_month) FROM retention_cohorts)"
    ],
    "retention_cohorts.period_number.not_null": [
        "UPDATE retention_cohorts SET period_number = NULL "
        "WHERE period_number = (SELECT max(period_number) FROM retention_cohorts)"
    ],
    "retention_cohorts.cohort_month_is_first_day": [
        "UPDATE retention_cohorts SET cohort_month = cohort_month + 1 "
        "WHERE cohort_month = DATE '2024-01-01'"
    ],
    "retention_cohorts.period_month_of_period_number": [
        _at("retention_cohorts", "period_number = 1", "period_month = period_month + 1")
    ],
    "retention_cohorts.no_missing_period": [
        "DELETE FROM retention_cohorts WHERE users_active = 0 AND cohort_month = DATE '2024-01-01' "
        "AND period_number = 3"
    ],
    "retention_cohorts.cohort_month_and_period_number.unique": [
        _again("retention_cohorts", "users_active = 0 AND period_number > 0")
    ],
    "retention_cohorts.periods_before_are_complete": [
        "UPDATE retention_cohorts SET is_complete = (period_number <> 0) "
        "WHERE cohort_month = DATE '2024-01-01'"
    ],
    "retention_cohorts.one_period_runs": ["UPDATE retention_cohorts SET is_complete = TRUE"],
    # The youngest cohort is one user, of whom its second month makes two.
    "retention_cohorts.active_within_cohort": [
        "UPDATE retention_cohorts SET users_active = 2 WHERE period_number = 1 "
        "AND cohort_month = (SELECT max(cohort_month) FROM retention_cohorts)",
        _at(
            "retention_cohorts",
            "period_number > 0 AND users_active > 1",
            "users_active = users_active - 1",
        ),
        ":rc",
    ],
    "retention_cohorts.all_active_at_first": [
        _at("retention_cohorts", "period_number = 0", "users_active = users_active - 1"),
        _at("retention_cohorts", "period_number = 1", "users_active = users_active + 1"),
        ":rc",
    ],
    "retention_cohorts.cohort_size_stays": [
        _at("retention_cohorts", "period_number = 1", "cohort_size = cohort_size + 1"),
        ":rc",
    ],
    "retention_cohorts.cohort_sizes_add_up": [
        "UPDATE dim_users SET share_events = share_events + 1 "
        "WHERE user_id = (SELECT max(user_id) FROM dim_users WHERE share_events > 1)",
        _at(
            "dim_users",
            "share_events = 1 AND miles_earned_transactions + miles_redeemed_transactions "
            "+ like_events + reward_search_events = 0",
            "share_events = 0",
        ),
    ],
    "retention_cohorts.active_users_add_up": [
        _at("retention_cohorts", "period_number = 1", "users_active = users_active + 1"),
        ":rc",
    ],
    # growth_drivers
    f"{GD}.daily_active_users_of_{GM}": [
        _day(GD, _BUSY, "daily_active_users = daily_active_users + 1"),
        ":gd",
    ],
    f"{GD}.event_types_add_up": [
        _day(GD, _BUSY, "total_daily_events = total_daily_events + 1"),
        _day(GD, f"{_BUSY} + 1", "total_daily_events = total_daily_events - 1"),
    ],
    **{
        f"{GD}.{users}_by_events": [
            _day(GD, _BUSY, f"{users} = {events} + 1"),
            *(
                [
                    _day(
                        MA,
                        _BUSY,
                        f"{other} = (SELECT {users} FROM {GD} WHERE event_date = {_BUSY})",
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
    f"{GD}.channels_add_up": [_day(GD, _BUSY, "new_other_users = new_other_users + 1")],
    **{
        f"{GD}.{name}_events_per_user_known": [
            _at(GD, f"{name}_users > 0", f"{name}_events_per_user = NULL")
        ]
        for name in ("ios", "android", "web")
    },
    f"{GD}.social_engagement_level_known": [
        _at(GD, "daily_active_users > 0", "social_engagement_level = NULL")
    ],
    f"{GD}.net_miles_change_adds_up": [
        _at(GD, "net_miles_change > 100", "net_miles_change = net_miles_change + 1")
    ],
    **{
        f"{GD}.{column}_of_{MA}": [
            _day(
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
        _day(
            GD,
            _BUSY,
            "total_daily_events = total_daily_events + 1",
            "daily_shares = daily_shares + 1",
        ),
        _at("dim_users", "TRUE", "share_events = share_events + 1"),
    ],
    **{
        f"{GD}.{column}_add_up": [
            _at("dim_users", f"{of_users} > 0", f"{of_users} = {of_users} + 1")
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
            _at("dim_users", f"first_utm_source = '{channel}'", "first_utm_source = NULL")
        ]
        for channel in ("organic", "paid", "social", "referral")
    },
    f"{GD}.total_new_users_add_up": [_ghost("'ghost'", _FIRST_DAY)],
    f"{GD}.total_new_users_on_first_dates": [
        _newcomer(f"{_NEWCOMER} - 1", 1),
        _newcomer(_NEWCOMER, -1),
    ],
    # miles_analytics
    f"{MA}.event_date.not_null": [
        f"INSERT INTO {MA} SELECT * REPLACE (NULL AS event_date, 0 AS daily_miles_earned, "
        "0 AS daily_miles_redeemed, 0 AS net_miles_change) "
        f"FROM {MA} WHERE event_date = (SELECT max(event_date) FROM {MA})"
    ],
    f"{MA}.net_miles_change_adds_up": [_day(MA, _BUSY, "net_miles_change = net_miles_change + 1")],
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
            _at(
                "dim_users",
                f"{_RICH} AND total_miles_{kind} > 0",
                f"total_miles_{kind} = total_miles_{kind} + 1",
                f"current_miles_balance = current_miles_balance {sign} 1",
            )
        ]
        for kind, sign in (("earned", "+"), ("redeemed", "-"))
    },
    # the tables of AGAIN
    "weekly_growth_accounting.activity_week_is_monday": [
        _at("weekly_growth_accounting", "TRUE", "activity_week = activity_week + 1")
    ],
    "weekly_growth_accounting.no_missing_week": [
        _without("weekly_growth_accounting", f"activity_week = date_trunc('week', {_SILENT})")
    ],
    "weekly_growth_accounting.weeks_before_are_complete": [
        _at("weekly_growth_accounting", "TRUE", "is_complete = FALSE")
    ],
    "weekly_growth_accounting.one_week_runs": [
        "UPDATE weekly_growth_accounting SET is_complete = TRUE"
    ],
    "weekly_growth_accounting.active_follows_week_before": [
        _at("weekly_growth_accounting", "TRUE", "churned_users = churned_users + 1")
    ],
    "growth_by_segment.windows_hold_each_other": [
        _at("growth_by_segment", "TRUE", "active_users_28d = active_users_28d + 1000")
    ],
    "growth_by_segment_monthly.activity_month_is_first_day": [
        _at("growth_by_segment_monthly", "TRUE", "activity_month = activity_month + 1")
    ],
    "retention_curves.no_missing_period": [_without("retention_curves", "period_number = 1")],
    "retention_curves.all_active_at_first": [
        _at("retention_curves", "period_number = 0", "users_on = 0")
    ],
    "retention_curves.cohort_size_stays": [
        _at("retention_curves", "period_number = 1", "cohort_size = cohort_size + 1")
    ],
    "retention_curves.on_within_on_or_after": [
        _at("retention_curves", "period_number = 1", "users_on = users_on_or_after + 1")
    ],
    "retention_curves.on_or_after_never_rises": [
        _at("retention_curves", "period_number = 1", "users_on_or_after = cohort_size + 1")
    ],
    **{
        f"retention_curves.{grain}_cohorts_add_up": [
            _at(
                "retention_curves",
                f"grain = '{grain}' AND segment_type = 'all' AND period_number = 0",
                "cohort_size = cohort_size + 1",
            )
        ]
        for grain in ("day", "week", "month")
    },
    **{
        f"retention_curves.{kind}_users_add_up": [
            _at("retention_curves", f"segment_type = '{kind}'", "users_on = users_on + 1")
        ]
        for kind in ("platform", "channel", "country")
    },
    "engagement_distribution.active_days_within_window": [
        _at("engagement_distribution", "window_days = 7", "active_days = 8")
    ],
    **{
        f"engagement_distribution.users_of_{window}_days_add_up": [
            _at("engagement_distribution", f"window_days = {window}", "users = users + 1")
        ]
        for window in (7, 28)
    },
    "events_by_type.users_within_events": [_at("events_by_type", "TRUE", "users = events + 1")],
    "events_by_type.events_add_up": [_at("events_by_type", "events > 0", "events = events + 1")],
    **{
        f"{table}.active_parts_add_up": [_at(table, "TRUE", "new_users = new_users + 1")]
        for table in AGAIN[:3]
    },
    "weekly_growth_accounting.new_users_are_all_cohorts": [
        _at("weekly_growth_accounting", "TRUE", "new_users = new_users + 1")
    ],
    **{
        f"{table}.{kind}_{column}_add_up": [
            _at(table, f"segment_type = '{kind}'", f"{column} = {column} + 1")
        ]
        for table, columns in (
            ("growth_by_segment", ("daily_active_users", "new_users")),
            ("growth_by_segment_monthly", ("total_mau", "churned_users")),
        )
        for column in columns
        for kind in ("platform", "channel", "country")
    },
    f"{SM}.users_within_sessions": [_at(SM, "sessions > 0", "users_with_sessions = sessions + 1")],
    f"{SM}.events_of_sessions": [
        _at(SM, "single_event_sessions < sessions", "session_events = sessions")
    ],
    f"{SM}.seconds_of_sessions": [
        _at(SM, "sessions > 0", "single_event_sessions = sessions", "session_seconds = 1")
    ],
    f"{SM}.median_known": [_at(SM, "sessions > 0", "median_session_seconds = NULL")],
    f"{SM}.median_within_sum": [
        _at(SM, "sessions > 0", "median_session_seconds = 3 * session_seconds + 1")
    ],
    f"{SM}.median_of_single_events": [
        _at(SM, "2 * single_event_sessions > sessions", "median_session_seconds = 1")
    ],
    f"{SM}.session_events_add_up": [_at(SM, "sessions > 0", "session_events = session_events + 1")],
    f"{SM}.sessions_add_up": [_at(SM, "sessions > 0", "sessions = sessions + 1")],
    # dead_letter_events
    "dead_letter_events.message_in_one_line": [
        _at("dead_letter_events", "TRUE", "error_message = 'two' || chr(10) || 'lines'")
    ],
    "dead_letter_events.payload_is_base64": [
        _at("dead_letter_events", "payload_encoding = 'base64'", "payload = '!'")
    ],
}


def breakage(check: Check) -> list[str]:
    """The statements that break a check."""
    found = _OWN.get(check.check_id) or _by_kind(check)
    return [one for text in found for one in REFRESH.get(text, [text])]


def _by_kind(check: Check) -> list[str]:
    table, column = TABLES[check.table], str(check.column)
    if isinstance(check.rule, ColumnRule):
        if check.check_type == "not_null" and (column,) == table.primary_key:
            silent = _SILENT_OF.get(column, _SILENT)
            return [_again(check.table, f"{column} = {silent}", **{column: "NULL"})]
        return [_at(check.table, f"{column} IS NOT NULL", f"{column} = {_refused(check.rule)}")]
    if check.check_type == "unique" and len(table.primary_key) > 1:
        return [_again(check.table, "TRUE")]
    if check.check_type == "references":
        return [_at(check.table, "TRUE", f"{column} = {_EARLY}")]
    if check.check_type == "unique":
        (column,) = table.primary_key
        silent = _SILENT_OF.get(column, _SILENT)
        return [_again(check.table, f"{column} = {silent}")]
    assert isinstance(check.rule, RowRule), check.check_id
    column, _, kind = check.check_id.removeprefix(f"{check.table}.").partition(".")
    assert kind == "formula", check.check_id
    declared = next(found for found in table.columns if found.name == column)
    if declared.type is FLOAT:
        # By less than any label's bound can see.
        wanted = f"{column} BETWEEN 1e-3 AND 99.9 AND {column} <> FLOOR({column})"
        return [_at(check.table, wanted, f"{column} = {column} * (1 + 1e-9)")]
    if declared.type is STRING:
        labels = next(rule.values for rule in declared.checks if isinstance(rule, OneOf))
        other = f"CASE WHEN {column} = '{labels[0]}' THEN '{labels[1]}' ELSE '{labels[0]}' END"
        return [_at(check.table, f"{column} IS NOT NULL", f"{column} = {other}")]
    return [_at(check.table, f"{column} BETWEEN 0 AND 99", f"{column} = {column} + 1")]


def _refused(rule: ColumnRule) -> str:
    """A value that a column's check does not take."""
    kept = rule.kept
    if kept is None:
        return "NULL"
    if isinstance(kept, OneOf):
        return "'other'" if isinstance(kept.values[0], str) else "99"
    if isinstance(kept, Matches):
        return "'No!'"
    assert isinstance(kept, InRange)
    if kept.low is None:
        return f"{kept.high} + 1"
    return f"{kept.low} - 1" if isinstance(kept.low, int | float) else "TIMESTAMP '1999-12-31'"
