-- oracle_active_days, oracle_dates, fct_events -> weekly_growth_accounting, growth_by_segment,
-- growth_by_segment_monthly, retention_curves, engagement_distribution, events_by_type.

CREATE OR REPLACE TEMP TABLE oracle_user_segments AS
WITH firsts AS (
    SELECT user_id, first_platform, first_utm_source, first_country FROM dim_users
),
countries AS (
    -- The largest 50 by users who were ever active.
    SELECT
        coalesce(first_country, 'none') AS country,
        row_number() OVER (
            ORDER BY count(*) DESC, first_country IS NOT NULL, first_country
        ) AS place
    FROM firsts
    WHERE user_id IN (SELECT user_id FROM oracle_active_days)
    GROUP BY first_country
)
SELECT user_id, 'platform' AS segment_type, first_platform AS segment_value FROM firsts
UNION ALL
SELECT
    user_id,
    'channel',
    CASE
        WHEN first_utm_source IN ('organic', 'paid', 'social', 'referral') THEN first_utm_source
        ELSE 'other'
    END
FROM firsts
UNION ALL
SELECT user_id, 'country', CASE WHEN place <= 50 THEN country ELSE 'other' END
FROM firsts
INNER JOIN countries ON coalesce(first_country, 'none') = country;

-- Who was active in which day, week and month; all are a segment, too.
CREATE OR REPLACE TEMP TABLE oracle_periods AS
WITH grains AS (
    SELECT DISTINCT user_id, 'day' AS grain, event_date AS period FROM oracle_active_days
    UNION
    SELECT DISTINCT user_id, 'week', oracle_week(event_date) FROM oracle_active_days
    UNION
    SELECT DISTINCT user_id, 'month', date_trunc('month', event_date)::DATE
    FROM oracle_active_days
),
numbered AS (
    SELECT
        *,
        CASE grain
            WHEN 'day' THEN period - DATE '1970-01-01'
            WHEN 'week' THEN (period - oracle_week(DATE '1960-01-01')) // 7
            ELSE date_diff('month', DATE '1970-01-01', period)
        END AS number
    FROM grains
)
SELECT
    *,
    lag(number) OVER lives AS previous,
    lead(number) OVER lives AS following,
    min(number) OVER (PARTITION BY user_id, grain) AS cohort
FROM numbered
WINDOW lives AS (PARTITION BY user_id, grain ORDER BY number);

-- Of all dates the days, weeks and months.
CREATE OR REPLACE TEMP TABLE oracle_spine AS
WITH starts AS (
    SELECT DISTINCT 'day' AS grain, event_date AS period FROM oracle_dates
    UNION
    SELECT DISTINCT 'week', oracle_week(event_date) FROM oracle_dates
    UNION
    SELECT DISTINCT 'month', date_trunc('month', event_date)::DATE FROM oracle_dates
),
numbered AS (
    SELECT
        *,
        CASE grain
            WHEN 'day' THEN period - DATE '1970-01-01'
            WHEN 'week' THEN (period - oracle_week(DATE '1960-01-01')) // 7
            ELSE date_diff('month', DATE '1970-01-01', period)
        END AS number
    FROM starts
)
SELECT *, number < max(number) OVER (PARTITION BY grain) AS is_complete
FROM numbered;

CREATE OR REPLACE TEMP TABLE oracle_segments AS
FROM oracle_user_segments
UNION ALL
SELECT user_id, 'all', 'all' FROM dim_users;

CREATE OR REPLACE TEMP TABLE oracle_growth AS
WITH entering AS (
    SELECT
        grain,
        segment_type,
        segment_value,
        number,
        count(*) AS active_users,
        count(*) FILTER (previous IS NULL) AS new_users,
        count(*) FILTER (previous = number - 1) AS retained_users,
        count(*) FILTER (previous < number - 1) AS resurrected_users
    FROM oracle_periods
    INNER JOIN oracle_segments USING (user_id)
    GROUP BY ALL
),
leaving AS (
    SELECT grain, segment_type, segment_value, number + 1 AS number, count(*) AS churned_users
    FROM oracle_periods
    INNER JOIN oracle_segments USING (user_id)
    WHERE following IS DISTINCT FROM number + 1
    GROUP BY ALL
),
firsts AS (
    SELECT grain, segment_type, segment_value, min(number) AS first_number
    FROM entering
    GROUP BY ALL
),
places AS (
    SELECT grain, segment_type, segment_value, number, period, is_complete
    FROM oracle_spine
    INNER JOIN firsts USING (grain)
    WHERE number >= first_number
)
SELECT
    grain,
    segment_type,
    segment_value,
    number,
    period,
    is_complete,
    coalesce(active_users, 0) AS active_users,
    coalesce(new_users, 0) AS new_users,
    coalesce(retained_users, 0) AS retained_users,
    coalesce(resurrected_users, 0) AS resurrected_users,
    coalesce(churned_users, 0) AS churned_users,
    lag(active_users) OVER (
        PARTITION BY grain, segment_type, segment_value ORDER BY number
    ) AS previous_active_users
FROM places
LEFT JOIN entering USING (grain, segment_type, segment_value, number)
LEFT JOIN leaving USING (grain, segment_type, segment_value, number);

-- The history of all begins with its first event, that of a segment with its first active period.
CREATE OR REPLACE TABLE weekly_growth_accounting AS
SELECT
    spine.period AS activity_week,
    coalesce(active_users, 0)::BIGINT AS total_wau,
    coalesce(new_users, 0)::BIGINT AS new_users,
    coalesce(retained_users, 0)::BIGINT AS retained_users,
    coalesce(resurrected_users, 0)::BIGINT AS resurrected_users,
    coalesce(churned_users, 0)::BIGINT AS churned_users,
    100 * retained_users / nullif(previous_active_users, 0) AS retention_rate_pct,
    (new_users + resurrected_users) / nullif(churned_users, 0) AS quick_ratio,
    spine.is_complete
FROM oracle_spine AS spine
LEFT JOIN oracle_growth AS growth
    ON growth.grain = 'week' AND segment_type = 'all' AND growth.number = spine.number
WHERE spine.grain = 'week';

CREATE OR REPLACE TABLE growth_by_segment_monthly AS
SELECT
    period AS activity_month,
    segment_type,
    segment_value,
    active_users AS total_mau,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    100 * retained_users / nullif(previous_active_users, 0) AS retention_rate_pct,
    (new_users + resurrected_users) / nullif(churned_users, 0) AS quick_ratio,
    is_complete
FROM oracle_growth
WHERE grain = 'month' AND segment_type <> 'all';

CREATE OR REPLACE TABLE growth_by_segment AS
WITH windows AS (
    SELECT
        growth.segment_type,
        growth.segment_value,
        growth.number,
        count(DISTINCT user_id) FILTER (periods.number > growth.number - 7) AS users_7d,
        count(DISTINCT user_id) FILTER (periods.number > growth.number - 28) AS users_28d,
        count(DISTINCT user_id) AS users_30d
    FROM oracle_growth AS growth
    INNER JOIN oracle_segments AS segments USING (segment_type, segment_value)
    INNER JOIN oracle_periods AS periods USING (user_id)
    WHERE growth.grain = 'day'
        AND periods.grain = 'day'
        AND periods.number BETWEEN growth.number - 29 AND growth.number
    GROUP BY ALL
)
SELECT
    period AS event_date,
    segment_type,
    segment_value,
    active_users AS daily_active_users,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    (new_users + resurrected_users) / nullif(churned_users, 0) AS daily_quick_ratio,
    coalesce(users_7d, 0) AS weekly_active_users_7d,
    coalesce(users_28d, 0) AS active_users_28d,
    coalesce(users_30d, 0) AS monthly_active_users_30d,
    100 * active_users / nullif(users_30d, 0) AS dau_mau_stickiness,
    is_complete
FROM oracle_growth
LEFT JOIN windows USING (segment_type, segment_value, number)
WHERE grain = 'day' AND segment_type <> 'all';

CREATE OR REPLACE TABLE retention_curves AS
WITH cohorts AS (
    SELECT grain, segment_type, segment_value, cohort, count(DISTINCT user_id) AS cohort_size
    FROM oracle_periods
    INNER JOIN oracle_segments USING (user_id)
    WHERE grain <> 'day' OR segment_type = 'all'
    GROUP BY ALL
),
places AS (
    SELECT
        grain,
        segment_type,
        segment_value,
        cohort,
        cohort_size,
        founded.period AS cohort_start,
        spine.number - cohort AS period_number,
        spine.is_complete
    FROM cohorts
    INNER JOIN oracle_spine AS founded USING (grain)
    INNER JOIN oracle_spine AS spine USING (grain)
    WHERE founded.number = cohort
        AND spine.number >= cohort
        AND (
            grain = 'month'
            OR spine.number - cohort <= CASE WHEN grain = 'day' THEN 60 ELSE 52 END
        )
),
lasts AS (
    SELECT user_id, grain, cohort, max(number) - cohort AS last_period
    FROM oracle_periods
    GROUP BY user_id, grain, cohort
),
-- How many stay to which period at least: sums from the end.
staying AS (
    SELECT
        grain,
        segment_type,
        segment_value,
        cohort,
        last_period,
        sum(count(*)) OVER (
            PARTITION BY grain, segment_type, segment_value, cohort ORDER BY last_period DESC
        ) AS users
    FROM lasts
    INNER JOIN oracle_segments USING (user_id)
    GROUP BY grain, segment_type, segment_value, cohort, last_period
),
active AS (
    SELECT
        grain,
        segment_type,
        segment_value,
        cohort,
        number - cohort AS period_number,
        count(*) AS users_on
    FROM oracle_periods
    INNER JOIN oracle_segments USING (user_id)
    GROUP BY ALL
),
reached AS (
    SELECT
        places.grain,
        places.segment_type,
        places.segment_value,
        places.cohort,
        places.period_number,
        coalesce(max(staying.users), 0)::BIGINT AS users_on_or_after
    FROM places
    LEFT JOIN staying
        ON staying.grain = places.grain
        AND staying.segment_type = places.segment_type
        AND staying.segment_value = places.segment_value
        AND staying.cohort = places.cohort
        AND staying.last_period >= places.period_number
    GROUP BY ALL
)
SELECT
    grain,
    segment_type,
    segment_value,
    cohort_start,
    period_number,
    coalesce(users_on, 0) AS users_on,
    users_on_or_after,
    cohort_size,
    100 * coalesce(users_on, 0) / cohort_size AS retention_rate,
    100 * users_on_or_after / cohort_size AS unbounded_retention_rate,
    is_complete
FROM places
INNER JOIN reached USING (grain, segment_type, segment_value, cohort, period_number)
LEFT JOIN active USING (grain, segment_type, segment_value, cohort, period_number);

CREATE OR REPLACE TABLE engagement_distribution AS
WITH windows AS (
    SELECT unnest([7, 28]) AS window_days
),
slots AS (
    SELECT window_days, unnest(generate_series(1, window_days)) AS active_days FROM windows
),
-- An active date counts on each of the dates whose window holds it.
of_users AS (
    SELECT
        (event_date + step)::DATE AS event_date,
        window_days,
        user_id,
        count(*) AS active_days
    FROM oracle_active_days
    CROSS JOIN (
        SELECT window_days, unnest(generate_series(0, window_days - 1))::INTEGER AS step
        FROM windows
    )
    GROUP BY ALL
),
counts AS (
    SELECT event_date, window_days, active_days, count(*) AS users FROM of_users GROUP BY ALL
)
SELECT
    event_date,
    window_days,
    active_days,
    coalesce(users, 0) AS users,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM oracle_dates
CROSS JOIN slots
LEFT JOIN counts USING (event_date, window_days, active_days);

CREATE OR REPLACE TABLE events_by_type AS
WITH counts AS (
    SELECT event_date, event_type, count(*) AS events, count(DISTINCT user_id) AS users
    FROM fct_events
    GROUP BY ALL
)
SELECT
    event_date,
    event_type,
    coalesce(events, 0) AS events,
    coalesce(users, 0) AS users,
    100 * coalesce(users, 0) / nullif(daily_active_users, 0) AS users_pct,
    events / users AS events_per_user,
    is_complete
FROM growth_metrics
CROSS JOIN (SELECT DISTINCT event_type FROM fct_events)
LEFT JOIN counts USING (event_date, event_type);
