-- fct_events -> oracle_user_days -> dim_users, users_with_negative_miles.
-- Reads the variables active_event_types and written_at.

-- What a user did on a date: everything else is computed from this, a fraction of the events.
CREATE OR REPLACE TEMP TABLE oracle_user_days AS
SELECT
    user_id,
    event_date,
    min(event_time) AS first_at,
    max(event_time) AS last_at,
    min(event_time) FILTER (
        list_contains(getvariable('active_event_types'), event_type)
    ) AS first_active_at,
    count(*) AS events,
    count(*) FILTER (event_type = 'miles_earned') AS earning_events,
    count(*) FILTER (event_type = 'miles_redeemed') AS redeeming_events,
    count(*) FILTER (event_type = 'share') AS shares,
    count(*) FILTER (event_type = 'like') AS likes,
    count(*) FILTER (event_type = 'reward_search') AS searches,
    coalesce(sum(miles_amount) FILTER (event_type = 'miles_earned'), 0)::BIGINT AS miles_earned,
    coalesce(sum(miles_amount) FILTER (event_type = 'miles_redeemed'), 0)::BIGINT
        AS miles_redeemed,
    count(*) FILTER (platform = 'iOS') AS ios_events,
    count(*) FILTER (platform = 'Android') AS android_events,
    count(*) FILTER (platform = 'Web') AS web_events
FROM fct_events
GROUP BY user_id, event_date;

CREATE OR REPLACE TABLE dim_users AS
WITH lifetimes AS (
    SELECT
        user_id,
        min(first_at) AS first_seen_at,
        max(last_at) AS last_seen_at,
        min(event_date) AS first_seen_date,
        max(event_date) AS last_seen_date,
        sum(miles_earned)::BIGINT AS total_miles_earned,
        sum(miles_redeemed)::BIGINT AS total_miles_redeemed,
        sum(earning_events)::BIGINT AS miles_earned_transactions,
        sum(redeeming_events)::BIGINT AS miles_redeemed_transactions,
        sum(shares)::BIGINT AS share_events,
        sum(likes)::BIGINT AS like_events,
        sum(searches)::BIGINT AS reward_search_events
    FROM oracle_user_days
    GROUP BY user_id
),
active_dates AS (
    SELECT
        days.user_id,
        count(*) AS dates,
        count(*) FILTER (days.event_date > lifetimes.last_seen_date - 28) AS recent_dates
    FROM oracle_user_days AS days
    INNER JOIN lifetimes ON days.user_id = lifetimes.user_id
    WHERE days.first_active_at IS NOT NULL
    GROUP BY days.user_id
)
SELECT
    lifetimes.user_id,
    lifetimes.first_seen_at,
    lifetimes.first_seen_date,
    lifetimes.last_seen_at,
    lifetimes.last_seen_date,
    lifetimes.last_seen_date - lifetimes.first_seen_date AS days_active,
    first_events.platform AS first_platform,
    first_events.utm_source AS first_utm_source,
    first_events.country AS first_country,
    lifetimes.total_miles_earned,
    lifetimes.total_miles_redeemed,
    lifetimes.total_miles_earned - lifetimes.total_miles_redeemed AS current_miles_balance,
    lifetimes.total_miles_earned < lifetimes.total_miles_redeemed AS has_negative_balance,
    lifetimes.miles_earned_transactions,
    lifetimes.miles_redeemed_transactions,
    lifetimes.share_events,
    lifetimes.like_events,
    lifetimes.reward_search_events,
    getvariable('written_at') AS updated_at,
    coalesce(active_dates.dates, 0) AS active_days,
    coalesce(active_dates.recent_dates, 0) AS active_days_28d
FROM lifetimes
LEFT JOIN active_dates ON lifetimes.user_id = active_dates.user_id
-- A user's first event starts a session, and no other session of theirs starts at that instant.
INNER JOIN fct_events AS first_events
    ON lifetimes.user_id = first_events.user_id
    AND lifetimes.first_seen_at = first_events.event_time
    AND first_events.is_session_start = 1;

CREATE OR REPLACE TABLE users_with_negative_miles AS
SELECT
    user_id,
    first_seen_at,
    last_seen_at,
    total_miles_earned,
    total_miles_redeemed,
    current_miles_balance,
    abs(current_miles_balance) AS negative_amount,
    getvariable('written_at') AS flagged_at
FROM dim_users
WHERE has_negative_balance;
