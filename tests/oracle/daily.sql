-- oracle_active_dates, oracle_rolling_users -> growth_metrics, retention_quality_framework,
-- user_resurrection_analysis.

CREATE OR REPLACE TABLE growth_metrics AS
WITH days AS (
    SELECT
        *,
        new_users + resurrected_users AS growth,
        coalesce(previous_active_users - retained_users, 0) AS churned_users,
        avg(active_users) OVER (ORDER BY event_date ROWS 6 PRECEDING) AS weekly_avg_dau,
        avg(active_users) OVER (ORDER BY event_date ROWS 29 PRECEDING) AS monthly_avg_dau,
        count(*) OVER week_before AS days_before,
        sum(active_users) OVER week_before AS users_before
    FROM oracle_active_dates
    INNER JOIN oracle_rolling_users USING (event_date)
    WINDOW week_before AS (ORDER BY event_date ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING)
)
SELECT
    event_date,
    active_users AS daily_active_users,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    active_users - previous_active_users AS dau_growth,
    100 * new_users / nullif(active_users, 0) AS new_users_pct,
    100 * retained_users / nullif(active_users, 0) AS retained_users_pct,
    100 * resurrected_users / nullif(active_users, 0) AS resurrected_users_pct,
    growth / nullif(churned_users, 0) AS daily_quick_ratio,
    100 * retained_users / nullif(previous_active_users, 0) AS day_over_day_retention_pct,
    users_7d AS weekly_active_users_7d,
    users_28d AS active_users_28d,
    users_30d AS monthly_active_users_30d,
    weekly_avg_dau,
    monthly_avg_dau,
    100 * active_users / nullif(users_7d, 0) AS dau_wau_stickiness,
    100 * active_users / nullif(users_30d, 0) AS dau_mau_stickiness,
    100 * users_7d / nullif(users_30d, 0) AS wau_mau_stickiness,
    CASE
        WHEN churned_users = 0 THEN 'Unknown'
        WHEN growth < churned_users THEN 'Declining'
        WHEN 10 * growth < 15 * churned_users THEN 'Healthy'
        ELSE 'Strong'
    END AS daily_growth_quality,
    CASE
        WHEN active_users * days_before > users_before THEN 'Trending Up'
        WHEN active_users * days_before < users_before THEN 'Trending Down'
        ELSE 'Stable'
    END AS activity_trend_7d,
    getvariable('written_at') AS calculated_at,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM days;

CREATE OR REPLACE TABLE retention_quality_framework AS
WITH days AS (
    SELECT
        *,
        100 * retained_users AS retained_100,
        nullif(active_users, 0) AS dau
    FROM oracle_active_dates
)
SELECT
    event_date,
    active_users AS daily_active_users,
    new_stage_users,
    growing_stage_users,
    established_stage_users,
    mature_stage_users,
    retained_users AS users_consecutive_today,
    retained_100 / dau AS consecutive_today_pct,
    floor(
        100
        * (
            3 * retained_users
            + 2 * short_dormancies
            + (medium_dormancies + long_dormancies + very_long_dormancies)
        )
        / (3 * dau)
        + 0.5
    )::BIGINT AS daily_retention_health_score,
    CASE
        WHEN dau IS NULL THEN NULL
        WHEN retained_100 >= 80 * dau THEN 'Excellent'
        WHEN retained_100 >= 60 * dau THEN 'Good'
        WHEN retained_100 >= 40 * dau THEN 'Average'
        WHEN retained_100 >= 20 * dau THEN 'Below Average'
        ELSE 'Poor'
    END AS retention_quality_category,
    CASE
        WHEN dau IS NULL THEN NULL
        WHEN retained_100 > 70 * dau THEN 'High Engagement'
        WHEN retained_100 >= 40 * dau THEN 'Moderate Engagement'
        ELSE 'Low Engagement'
    END AS engagement_trend,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM days;

CREATE OR REPLACE TABLE user_resurrection_analysis AS
WITH days AS (
    SELECT
        *,
        nullif(active_users, 0) AS dau,
        100 * resurrected_users AS resurrected_100,
        resurrected_100 / dau AS resurrection_pct_of_dau
    FROM oracle_active_dates
)
SELECT
    event_date,
    resurrected_users AS total_resurrections,
    short_dormancies AS short_dormancy_resurrections,
    medium_dormancies AS medium_dormancy_resurrections,
    long_dormancies AS long_dormancy_resurrections,
    very_long_dormancies AS very_long_dormancy_resurrections,
    resurrection_pct_of_dau,
    dormant_days / nullif(resurrected_users, 0) AS avg_dormancy_length,
    100
    * (
        short_dormancies
        + 2 * medium_dormancies
        + 3 * long_dormancies
        + 4 * very_long_dormancies
    )
    / dau AS resurrection_effectiveness_score,
    CASE
        WHEN dau IS NULL THEN NULL
        WHEN resurrected_100 >= 30 * dau THEN 'Excellent'
        WHEN resurrected_100 >= 20 * dau THEN 'Good'
        WHEN resurrected_100 >= 10 * dau THEN 'Average'
        WHEN resurrected_100 >= 5 * dau THEN 'Below Average'
        ELSE 'Poor'
    END AS resurrection_quality_category,
    CASE
        WHEN resurrected_users = 0 THEN 'No Resurrections'
        WHEN short_dormancies > medium_dormancies + long_dormancies THEN 'Quick Return Focus'
        WHEN long_dormancies + very_long_dormancies > short_dormancies THEN 'Long-term Recovery'
        ELSE 'Balanced Recovery'
    END AS resurrection_pattern,
    avg(resurrected_users) OVER week AS avg_7d_resurrections,
    avg(resurrection_pct_of_dau) OVER week AS avg_7d_resurrection_pct,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM days
WINDOW week AS (ORDER BY event_date ROWS 6 PRECEDING);
