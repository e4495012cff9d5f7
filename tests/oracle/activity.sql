-- oracle_user_days -> who was active when: oracle_active_days and its counts per date and month.

-- The spine comes from all events, counted as activity or not.
CREATE OR REPLACE TEMP TABLE oracle_dates AS
SELECT unnest(generate_series(min(event_date), max(event_date), INTERVAL 1 DAY))::DATE AS event_date
FROM oracle_user_days;

CREATE OR REPLACE TEMP TABLE oracle_active_days AS
SELECT
    user_id,
    event_date,
    lag(event_date) OVER timeline AS previous_date,
    lead(event_date) OVER timeline IS NULL AS is_last,
    first_value(event_date) OVER timeline AS first_date,
    first_active_at
FROM oracle_user_days
WHERE first_active_at IS NOT NULL
WINDOW timeline AS (PARTITION BY user_id ORDER BY event_date);

CREATE OR REPLACE TEMP TABLE oracle_active_dates AS
WITH aged AS (
    SELECT
        event_date,
        previous_date IS NULL AS is_new,
        event_date - previous_date AS dormancy,
        event_date - first_date AS age
    FROM oracle_active_days
),
counts AS (
    SELECT
        event_date,
        count(*) AS active_users,
        count(*) FILTER (is_new) AS new_users,
        count(*) FILTER (dormancy = 1) AS retained_users,
        count(*) FILTER (dormancy >= 2) AS resurrected_users,
        count(*) FILTER (dormancy BETWEEN 2 AND 7) AS short_dormancies,
        count(*) FILTER (dormancy BETWEEN 8 AND 30) AS medium_dormancies,
        count(*) FILTER (dormancy BETWEEN 31 AND 90) AS long_dormancies,
        count(*) FILTER (dormancy > 90) AS very_long_dormancies,
        sum(dormancy) FILTER (dormancy >= 2) AS dormant_days,
        count(*) FILTER (age <= 7) AS new_stage_users,
        count(*) FILTER (age BETWEEN 8 AND 30) AS growing_stage_users,
        count(*) FILTER (age BETWEEN 31 AND 90) AS established_stage_users,
        count(*) FILTER (age > 90) AS mature_stage_users
    FROM aged
    GROUP BY event_date
),
filled AS (
    SELECT
        dates.event_date,
        coalesce(columns(counts.* EXCLUDE (event_date)), 0)::BIGINT
    FROM oracle_dates AS dates
    LEFT JOIN counts USING (event_date)
)
SELECT
    *,
    lag(active_users) OVER (ORDER BY event_date) AS previous_active_users
FROM filled;

-- A user counts as active in the last n days from an active date on, until n days later or until
-- the next active date, which counts them again. So the distinct users of the last n days are a
-- running sum of starts and ends, and no date is joined with the n days before it.
CREATE OR REPLACE TEMP TABLE oracle_rolling_users AS
WITH spans AS (
    SELECT event_date, previous_date, is_last, count(*) AS users
    FROM oracle_active_days
    GROUP BY event_date, previous_date, is_last
),
windows AS (
    SELECT unnest([7, 28, 30]) AS days
),
changes AS (
    SELECT days, event_date, users AS change
    FROM spans, windows
    UNION ALL
    SELECT days, least(previous_date + days, event_date), -users
    FROM spans, windows
    WHERE previous_date IS NOT NULL
    UNION ALL
    SELECT days, event_date + days, -users
    FROM spans, windows
    WHERE is_last
),
daily AS (
    SELECT
        event_date,
        coalesce(sum(change) FILTER (days = 7), 0) AS change_7d,
        coalesce(sum(change) FILTER (days = 28), 0) AS change_28d,
        coalesce(sum(change) FILTER (days = 30), 0) AS change_30d
    FROM oracle_dates
    LEFT JOIN changes USING (event_date)
    GROUP BY event_date
)
SELECT
    event_date,
    (sum(change_7d) OVER to_date)::BIGINT AS users_7d,
    (sum(change_28d) OVER to_date)::BIGINT AS users_28d,
    (sum(change_30d) OVER to_date)::BIGINT AS users_30d
FROM daily
WINDOW to_date AS (ORDER BY event_date);

-- A user's first active date within a month stands for the month: the active date before it lies
-- in the active month before.
CREATE OR REPLACE TEMP TABLE oracle_active_months AS
WITH months AS (
    SELECT
        date_trunc('month', event_date)::DATE AS activity_month,
        date_trunc('month', previous_date)::DATE AS previous_month,
        date_trunc('month', first_date)::DATE AS cohort_month
    FROM oracle_active_days
)
SELECT activity_month, previous_month, cohort_month, count(*) AS users
FROM months
WHERE previous_month IS DISTINCT FROM activity_month
GROUP BY activity_month, previous_month, cohort_month;
