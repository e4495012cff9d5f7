"""Statements that break the rules of tables that say again what others say, and of dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.statements import AGAIN, SILENT, SM, at, without

OF_PARTS: Final[Mapping[str, list[str]]] = {
    # the tables of AGAIN
    "weekly_growth_accounting.activity_week_is_monday": [
        at("weekly_growth_accounting", "TRUE", "activity_week = activity_week + 1")
    ],
    "weekly_growth_accounting.no_missing_week": [
        without("weekly_growth_accounting", f"activity_week = date_trunc('week', {SILENT})")
    ],
    "weekly_growth_accounting.weeks_before_are_complete": [
        at("weekly_growth_accounting", "TRUE", "is_complete = FALSE")
    ],
    "weekly_growth_accounting.one_week_runs": [
        "UPDATE weekly_growth_accounting SET is_complete = TRUE"
    ],
    "weekly_growth_accounting.active_follows_week_before": [
        at("weekly_growth_accounting", "TRUE", "churned_users = churned_users + 1")
    ],
    "growth_by_segment.windows_hold_each_other": [
        at("growth_by_segment", "TRUE", "active_users_28d = active_users_28d + 1000")
    ],
    "growth_by_segment_monthly.activity_month_is_first_day": [
        at("growth_by_segment_monthly", "TRUE", "activity_month = activity_month + 1")
    ],
    "retention_curves.no_missing_period": [without("retention_curves", "period_number = 1")],
    "retention_curves.all_active_at_first": [
        at("retention_curves", "period_number = 0", "users_on = 0")
    ],
    "retention_curves.cohort_size_stays": [
        at("retention_curves", "period_number = 1", "cohort_size = cohort_size + 1")
    ],
    "retention_curves.on_within_on_or_after": [
        at("retention_curves", "period_number = 1", "users_on = users_on_or_after + 1")
    ],
    "retention_curves.on_or_after_never_rises": [
        at("retention_curves", "period_number = 1", "users_on_or_after = cohort_size + 1")
    ],
    **{
        f"retention_curves.{grain}_cohorts_add_up": [
            at(
                "retention_curves",
                f"grain = '{grain}' AND segment_type = 'all' AND period_number = 0",
                "cohort_size = cohort_size + 1",
            )
        ]
        for grain in ("day", "week", "month")
    },
    **{
        f"retention_curves.{kind}_users_add_up": [
            at("retention_curves", f"segment_type = '{kind}'", "users_on = users_on + 1")
        ]
        for kind in ("platform", "channel", "country")
    },
    "engagement_distribution.active_days_within_window": [
        at("engagement_distribution", "window_days = 7", "active_days = 8")
    ],
    **{
        f"engagement_distribution.users_of_{window}_days_add_up": [
            at("engagement_distribution", f"window_days = {window}", "users = users + 1")
        ]
        for window in (7, 28)
    },
    "events_by_type.users_within_events": [at("events_by_type", "TRUE", "users = events + 1")],
    "events_by_type.events_add_up": [at("events_by_type", "events > 0", "events = events + 1")],
    **{
        f"{table}.active_parts_add_up": [at(table, "TRUE", "new_users = new_users + 1")]
        for table in AGAIN[:3]
    },
    "weekly_growth_accounting.new_users_are_all_cohorts": [
        at("weekly_growth_accounting", "TRUE", "new_users = new_users + 1")
    ],
    **{
        f"{table}.{kind}_{column}_add_up": [
            at(table, f"segment_type = '{kind}'", f"{column} = {column} + 1")
        ]
        for table, columns in (
            ("growth_by_segment", ("daily_active_users", "new_users")),
            ("growth_by_segment_monthly", ("total_mau", "churned_users")),
        )
        for column in columns
        for kind in ("platform", "channel", "country")
    },
    f"{SM}.users_within_sessions": [at(SM, "sessions > 0", "users_with_sessions = sessions + 1")],
    f"{SM}.events_of_sessions": [
        at(SM, "single_event_sessions < sessions", "session_events = sessions")
    ],
    f"{SM}.seconds_of_sessions": [
        at(SM, "sessions > 0", "single_event_sessions = sessions", "session_seconds = 1")
    ],
    f"{SM}.median_known": [at(SM, "sessions > 0", "median_session_seconds = NULL")],
    f"{SM}.median_within_sum": [
        at(SM, "sessions > 0", "median_session_seconds = 3 * session_seconds + 1")
    ],
    f"{SM}.median_of_single_events": [
        at(SM, "2 * single_event_sessions > sessions", "median_session_seconds = 1")
    ],
    f"{SM}.session_events_add_up": [at(SM, "sessions > 0", "session_events = session_events + 1")],
    f"{SM}.sessions_add_up": [at(SM, "sessions > 0", "sessions = sessions + 1")],
    # dead_letter_events
    "dead_letter_events.message_in_one_line": [
        at("dead_letter_events", "TRUE", "error_message = 'two' || chr(10) || 'lines'")
    ],
    "dead_letter_events.payload_is_base64": [
        at("dead_letter_events", "payload_encoding = 'base64'", "payload = '!'")
    ],
}
