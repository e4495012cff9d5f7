-- oracle_active_months -> social_capital_growth_accounting, quick_ratio_analysis,
-- retention_cohorts.
--
-- Ratios are compared as integers (rule 7): growth / churned < 1.2 is 10 * growth < 12 * churned.

CREATE OR REPLACE TEMP TABLE oracle_months AS
WITH spine AS (
    SELECT DISTINCT date_trunc('month', event_date)::DATE AS activity_month
    FROM oracle_dates
),
counts AS (
    SELECT
        activity_month,
        sum(users) AS active_users,
        sum(users) FILTER (previous_month IS NULL) AS new_users,
        sum(users) FILTER (previous_month = activity_month - INTERVAL 1 MONTH) AS retained_users,
        sum(users) FILTER (previous_month < activity_month - INTERVAL 1 MONTH)
            AS resurrected_users
    FROM oracle_active_months
    GROUP BY activity_month
),
filled AS (
    SELECT
        spine.activity_month,
        coalesce(columns(counts.* EXCLUDE (activity_month)), 0)::BIGINT
    FROM spine
    LEFT JOIN counts USING (activity_month)
),
followed AS (
    SELECT
        *,
        lag(active_users) OVER (ORDER BY activity_month) AS previous_active_users
    FROM filled
)
SELECT
    *,
    new_users + resurrected_users AS growth,
    coalesce(previous_active_users - retained_users, 0) AS churned_users,
    activity_month
    < (SELECT date_trunc('month', max(event_date)) FROM fct_events) AS is_complete
FROM followed;

CREATE OR REPLACE TABLE social_capital_growth_accounting AS
SELECT
    activity_month,
    active_users AS total_mau,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    100 * retained_users / nullif(previous_active_users, 0) AS retention_rate_pct,
    growth / nullif(churned_users, 0) AS quick_ratio,
    CASE
        WHEN churned_users = 0 THEN 'Unknown'
        WHEN growth < churned_users THEN 'Declining'
        WHEN 10 * growth < 15 * churned_users THEN 'Typical Consumer'
        WHEN growth < 2 * churned_users THEN 'Good Consumer'
        ELSE 'Excellent Consumer'
    END AS growth_quality_category,
    new_users + retained_users + resurrected_users AS verification_total,
    getvariable('written_at') AS calculated_at,
    is_complete
FROM oracle_months;

CREATE OR REPLACE TABLE quick_ratio_analysis AS
WITH ratios AS (
    SELECT
        *,
        growth / nullif(churned_users, 0) AS quick_ratio,
        -- Products of two counts of users need more than 64 bits.
        growth::HUGEINT AS a,
        nullif(churned_users, 0)::HUGEINT AS b,
        100 * retained_users AS retained_100,
        nullif(previous_active_users, 0) AS retainable_users
    FROM oracle_months
),
compared AS (
    SELECT
        *,
        avg(quick_ratio) OVER (
            ORDER BY activity_month ROWS 2 PRECEDING
        ) AS quick_ratio_3mo_avg,
        lag(a) OVER months AS previous_a,
        lag(b) OVER months AS previous_b,
        date_diff('month', min(activity_month) OVER months, activity_month) AS months_since_start
    FROM ratios
    WINDOW months AS (ORDER BY activity_month)
),
judged AS (
    SELECT
        *,
        CASE
            WHEN a < b THEN 'CRITICAL: Quick Ratio Below 1.0'
            WHEN 10 * a < 12 * b AND 10 * previous_a >= 12 * previous_b
            THEN 'WARNING: Quick Ratio Dropped Below 1.2'
            WHEN 10 * (a * previous_b - previous_a * b) < -3 * b * previous_b
            THEN 'WARNING: Quick Ratio Declined >0.3 Points'
            WHEN 10 * b > 15 * a THEN 'WARNING: Churn Significantly Exceeding Growth'
            ELSE 'OK'
        END AS own_alert,
        CASE
            WHEN a < b THEN 'Focus on reducing churn before growth'
            WHEN 10 * a >= 15 * b AND retained_100 >= 60 * retainable_users
            THEN 'Invest heavily in user acquisition'
            WHEN retained_100 < 40 * retainable_users
            THEN 'Improve product stickiness and onboarding'
            WHEN new_users = 0 THEN 'Restart user acquisition efforts'
            ELSE 'Optimize current growth strategy'
        END AS own_recommendation
    FROM compared
)
-- A running month is not judged: it says what the last complete one does.
SELECT
    activity_month,
    quick_ratio,
    quick_ratio_3mo_avg,
    CASE
        WHEN is_complete THEN own_alert
        ELSE coalesce(lag(own_alert) OVER (ORDER BY activity_month), 'OK')
    END AS alert_level,
    CASE
        WHEN churned_users > 0 THEN least(100, floor(50 * growth / churned_users + 0.5))::BIGINT
    END AS growth_quality_score,
    CASE
        WHEN retainable_users IS NULL THEN NULL
        WHEN retained_100 >= 80 * retainable_users THEN 'Excellent (80%+)'
        WHEN retained_100 >= 60 * retainable_users THEN 'Good (60-80%)'
        WHEN retained_100 >= 40 * retainable_users THEN 'Average (40-60%)'
        WHEN retained_100 >= 20 * retainable_users THEN 'Below Average (20-40%)'
        ELSE 'Poor (<20%)'
    END AS retention_benchmark,
    CASE
        WHEN b IS NULL THEN NULL
        WHEN a >= 2 * b THEN 'Top Tier (2.0+)'
        WHEN 10 * a >= 15 * b THEN 'Strong (1.5-2.0)'
        WHEN a >= b THEN 'Healthy (1.0-1.5)'
        WHEN 10 * a >= 8 * b THEN 'Concerning (0.8-1.0)'
        ELSE 'Critical (<0.8)'
    END AS quick_ratio_benchmark,
    CASE
        WHEN months_since_start < 6 THEN 'Early Stage'
        WHEN months_since_start <= 24 THEN 'Growth Stage'
        ELSE 'Mature Stage'
    END AS business_stage,
    CASE
        WHEN is_complete THEN own_recommendation
        ELSE coalesce(
            lag(own_recommendation) OVER (ORDER BY activity_month),
            'Optimize current growth strategy'
        )
    END AS strategic_recommendation,
    is_complete
FROM judged;

CREATE OR REPLACE TABLE retention_cohorts AS
WITH cohorts AS (
    SELECT cohort_month, sum(users)::BIGINT AS cohort_size
    FROM oracle_active_months
    WHERE previous_month IS NULL
    GROUP BY cohort_month
),
actives AS (
    SELECT cohort_month, activity_month, sum(users)::BIGINT AS users_active
    FROM oracle_active_months
    GROUP BY cohort_month, activity_month
),
periods AS (
    SELECT
        cohorts.cohort_month,
        date_diff('month', cohorts.cohort_month, months.activity_month) AS period_number,
        months.activity_month AS period_month,
        coalesce(actives.users_active, 0) AS users_active,
        cohorts.cohort_size,
        months.is_complete
    FROM cohorts
    INNER JOIN oracle_months AS months ON cohorts.cohort_month <= months.activity_month
    LEFT JOIN actives
        ON cohorts.cohort_month = actives.cohort_month
        AND months.activity_month = actives.activity_month
)
SELECT
    * EXCLUDE (is_complete),
    100 * users_active / cohort_size AS retention_rate,
    is_complete
FROM periods;
