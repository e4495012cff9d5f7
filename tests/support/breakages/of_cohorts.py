"""Statements that break the rules of cohorts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.statements import again, at

OF_COHORTS: Final[Mapping[str, list[str]]] = {
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
        at("retention_cohorts", "period_number = 1", "period_month = period_month + 1")
    ],
    "retention_cohorts.no_missing_period": [
        "DELETE FROM retention_cohorts WHERE users_active = 0 AND cohort_month = DATE '2024-01-01' "
        "AND period_number = 3"
    ],
    "retention_cohorts.cohort_month_and_period_number.unique": [
        again("retention_cohorts", "users_active = 0 AND period_number > 0")
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
        at(
            "retention_cohorts",
            "period_number > 0 AND users_active > 1",
            "users_active = users_active - 1",
        ),
        ":rc",
    ],
    "retention_cohorts.all_active_at_first": [
        at("retention_cohorts", "period_number = 0", "users_active = users_active - 1"),
        at("retention_cohorts", "period_number = 1", "users_active = users_active + 1"),
        ":rc",
    ],
    "retention_cohorts.cohort_size_stays": [
        at("retention_cohorts", "period_number = 1", "cohort_size = cohort_size + 1"),
        ":rc",
    ],
    "retention_cohorts.cohort_sizes_add_up": [
        "UPDATE dim_users SET share_events = share_events + 1 "
        "WHERE user_id = (SELECT max(user_id) FROM dim_users WHERE share_events > 1)",
        at(
            "dim_users",
            "share_events = 1 AND miles_earned_transactions + miles_redeemed_transactions "
            "+ like_events + reward_search_events = 0",
            "share_events = 0",
        ),
    ],
    "retention_cohorts.active_users_add_up": [
        at("retention_cohorts", "period_number = 1", "users_active = users_active + 1"),
        ":rc",
    ],
}
