"""Statements that bring a table's computed columns up to date, by formulas written down here once
more."""

from __future__ import annotations

from typing import Final

from tests.support.breakages.statements import GD, GM, QRA, RQF, SOCIAL, URA, pct

_DORMANT = (
    "{0}.short_dormancy_resurrections * {1} + {0}.medium_dormancy_resurrections * {2} "
    "+ {0}.long_dormancy_resurrections * {3} + {0}.very_long_dormancy_resurrections * {4}"
)

REFRESH: Final = {
    ":gm": [
        f"UPDATE {GM} SET new_users_pct = {pct('new_users', 'daily_active_users')}, "
        f"retained_users_pct = {pct('retained_users', 'daily_active_users')}, "
        "daily_quick_ratio = (new_users + resurrected_users) / NULLIF(churned_users, 0), "
        f"dau_wau_stickiness = {pct('daily_active_users', 'weekly_active_users_7d')}, "
        f"wau_mau_stickiness = {pct('weekly_active_users_7d', 'monthly_active_users_30d')}",
        f"UPDATE {GM} SET day_over_day_retention_pct = {pct('retained_users', 'dau')} "
        f"FROM (SELECT event_date + 1 AS day, daily_active_users AS dau FROM {GM}) "
        "WHERE day = event_date",
        f"UPDATE {GM} SET daily_growth_quality = CASE WHEN daily_quick_ratio IS NULL "
        "THEN 'Unknown' WHEN daily_quick_ratio < 1 THEN 'Declining' "
        "WHEN daily_quick_ratio < 1.5 THEN 'Healthy' ELSE 'Strong' END",
    ],
    ":rqf": [
        f"UPDATE {RQF} SET consecutive_today_pct = "
        f"{pct('users_consecutive_today', 'daily_active_users')}",
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
        f"UPDATE {URA} SET resurrection_pct_of_dau = {pct('total_resurrections', 'g.dau')}, "
        "resurrection_effectiveness_score = "
        f"{pct(_DORMANT.format(URA, 1, 2, 3, 4), 'g.dau')} "
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
            f"{column} = {pct(users, 'daily_active_users')}"
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
        f"UPDATE {SOCIAL} SET retention_rate_pct = {pct('retained_users', 'mau')} FROM "
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
    ":rc": [f"UPDATE retention_cohorts SET retention_rate = {pct('users_active', 'cohort_size')}"],
}
