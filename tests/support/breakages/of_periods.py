"""Statements that break the rules of months and dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.statements import (
    BUSY,
    DAILY,
    EARLY,
    GM,
    MA,
    MARCH,
    QRA,
    RQF,
    SILENT,
    SILENT_MONTH,
    SOCIAL,
    URA,
    again,
    at,
    day,
    without,
)


def _running(key: str, tables: tuple[str, ...], running: str) -> list[str]:
    """Another period is the one that runs; NULL for none."""
    complete = f"COALESCE({key} <> {running}, TRUE)"
    return [f"UPDATE {table} SET is_complete = {complete}" for table in tables]


OF_PERIODS: Final[Mapping[str, list[str]]] = {
    # months
    f"{SOCIAL}.activity_month_is_first_day": [
        again(SOCIAL, f"activity_month = {SILENT_MONTH}", activity_month="DATE '2024-04-02'"),
        again(QRA, f"activity_month = {SILENT_MONTH}", activity_month="DATE '2024-04-02'"),
    ],
    f"{SOCIAL}.no_missing_month": [
        without(table, f"activity_month = {SILENT_MONTH}") for table in (SOCIAL, QRA)
    ],
    f"{SOCIAL}.active_parts_add_up": [
        at(SOCIAL, "retention_rate_pct < 50", "retained_users = retained_users + 1"),
        ":social",
    ],
    f"{SOCIAL}.verification_total_is_mau": [
        at(SOCIAL, "TRUE", "verification_total = verification_total + 1")
    ],
    f"{SOCIAL}.active_follows_month_before": [
        at(SOCIAL, f"activity_month = {SILENT_MONTH}", "churned_users = churned_users + 1")
    ],
    f"{SOCIAL}.quick_ratio.formula": [
        f"UPDATE {table} SET quick_ratio = quick_ratio * (1 + 1e-9) "
        "WHERE activity_month = DATE '2024-03-01'"
        for table in (SOCIAL, QRA)
    ],
    f"{SOCIAL}.new_users_are_all_cohorts": [
        at(
            SOCIAL,
            "activity_month = DATE '2024-03-01'",
            "new_users = new_users + 1",
            "retained_users = retained_users - 1",
            "churned_users = churned_users + 1",
        ),
        ":social",
        ":qra",
    ],
    f"{SOCIAL}.activity_month.in_{QRA}": [without(QRA, f"activity_month = {SILENT_MONTH}")],
    f"{QRA}.activity_month.in_{SOCIAL}": [
        again(
            QRA,
            f"activity_month = {SILENT_MONTH}",
            activity_month=EARLY,
            retention_benchmark="NULL",
        )
    ],
    f"{QRA}.activity_month.not_null": [
        again(
            QRA,
            f"activity_month = {SILENT_MONTH}",
            activity_month="NULL",
            retention_benchmark="NULL",
        )
    ],
    f"{QRA}.quick_ratio_of_growth_accounting": [
        at(QRA, "activity_month = DATE '2024-03-01'", "quick_ratio = quick_ratio * (1 + 1e-9)")
    ],
    f"{QRA}.critical_below_one": [at(QRA, "quick_ratio < 1", "alert_level = 'OK'")],
    f"{SOCIAL}.months_before_are_complete": [
        *_running("activity_month", (SOCIAL, QRA), MARCH),
        ":judged",
        ":carried",
    ],
    f"{SOCIAL}.one_month_runs": [
        *_running("activity_month", (SOCIAL, QRA), "NULL"),
        ":judged",
    ],
    f"{QRA}.is_complete_of_{SOCIAL}": [
        at(QRA, f"activity_month = {MARCH}", "is_complete = FALSE"),
        ":carried",
    ],
    f"{QRA}.alert_level_of_running_month": [
        at(QRA, "NOT is_complete", "alert_level = 'CRITICAL: Quick Ratio Below 1.0'")
    ],
    f"{QRA}.strategic_recommendation_of_running_month": [
        at(
            QRA,
            "NOT is_complete",
            "strategic_recommendation = 'Focus on reducing churn before growth'",
        )
    ],
    # dates
    f"{GM}.dates_before_are_complete": _running("event_date", DAILY, BUSY),
    f"{GM}.one_date_runs": _running("event_date", DAILY, "NULL"),
    **{
        f"{table}.is_complete_of_{GM}": [day(table, BUSY, "is_complete = FALSE")]
        for table in DAILY[1:]
    },
    f"{GM}.no_missing_date": [without(table, f"event_date = {SILENT}") for table in DAILY],
    **{
        f"{GM}.event_date.in_{table}": [without(table, f"event_date = {SILENT}")]
        for table in DAILY[1:]
    },
    **{
        f"{table}.event_date.in_{GM}": [
            again(
                table,
                f"event_date = {SILENT}",
                event_date=EARLY,
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
        day(GM, SILENT, "retained_users = 1"),
        day(RQF, SILENT, "users_consecutive_today = 1"),
    ],
    f"{GM}.active_follows_day_before": [
        at(GM, "daily_active_users = 0 AND churned_users > 0", "churned_users = churned_users + 1")
    ],
    f"{GM}.daily_active_users_within_weekly_active_users_7d": [
        at(GM, "daily_active_users > 1", "weekly_active_users_7d = daily_active_users - 1"),
        ":gm",
    ],
    f"{GM}.weekly_active_users_7d_within_active_users_28d": [
        at(GM, "weekly_active_users_7d > 1", "active_users_28d = weekly_active_users_7d - 1")
    ],
    f"{GM}.active_users_28d_within_monthly_active_users_30d": [
        at(GM, "TRUE", "active_users_28d = monthly_active_users_30d + 1")
    ],
    f"{GM}.new_users_are_all_cohorts": [
        at(
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
        day(
            RQF,
            BUSY,
            "daily_active_users = daily_active_users + 1",
            "new_stage_users = new_stage_users + 1",
        ),
        ":rqf",
    ],
    f"{RQF}.stages_add_up": [day(RQF, BUSY, "new_stage_users = new_stage_users + 1")],
    f"{RQF}.consecutive_are_retained": [
        at(
            RQF,
            "users_consecutive_today < daily_active_users AND daily_retention_health_score < 20",
            "users_consecutive_today = users_consecutive_today + 1",
        ),
        ":rqf",
    ],
    f"{URA}.total_of_{GM}": [
        at(
            URA,
            "total_resurrections > 0 AND resurrection_pct_of_dau < 40",
            "total_resurrections = total_resurrections + 1",
            "short_dormancy_resurrections = short_dormancy_resurrections + 1",
        ),
        ":ura",
        ":rqf",
    ],
    f"{URA}.dormancies_add_up": [
        at(
            URA,
            "total_resurrections > 0 AND resurrection_pct_of_dau < 40",
            "medium_dormancy_resurrections = medium_dormancy_resurrections + 1",
        ),
        ":ura",
        ":rqf",
    ],
    f"{URA}.avg_dormancy_length_known": [
        at(URA, "total_resurrections > 0", "avg_dormancy_length = NULL")
    ],
}
