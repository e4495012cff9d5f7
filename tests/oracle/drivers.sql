-- oracle_user_days, oracle_active_days -> growth_drivers, miles_analytics.

CREATE OR REPLACE TEMP TABLE oracle_totals AS
WITH totals AS (
    SELECT
        event_date,
        sum(events) AS events,
        sum(miles_earned) AS miles_earned,
        sum(miles_redeemed) AS miles_redeemed,
        sum(earning_events) AS earning_events,
        sum(redeeming_events) AS redeeming_events,
        sum(shares) AS shares,
        sum(likes) AS likes,
        sum(searches) AS searches,
        sum(ios_events) AS ios_events,
        sum(android_events) AS android_events,
        sum(web_events) AS web_events,
        count(*) FILTER (earning_events > 0) AS earning_users,
        count(*) FILTER (redeeming_events > 0) AS redeeming_users,
        count(*) FILTER (shares > 0) AS sharing_users,
        count(*) FILTER (likes > 0) AS liking_users,
        count(*) FILTER (shares > 0 OR likes > 0) AS social_users,
        count(*) FILTER (searches > 0) AS searching_users,
        count(*) FILTER (ios_events > 0) AS ios_users,
        count(*) FILTER (android_events > 0) AS android_users,
        count(*) FILTER (web_events > 0) AS web_users
    FROM oracle_user_days
    GROUP BY event_date
)
SELECT
    dates.event_date,
    coalesce(columns(totals.* EXCLUDE (event_date)), 0)::BIGINT
FROM oracle_dates AS dates
LEFT JOIN totals USING (event_date);

-- The contract says "first event", not "first active date": a user's channel is the one that
-- dim_users shows, whichever event types count as activity.
CREATE OR REPLACE TEMP TABLE oracle_new_users AS
WITH first_events AS (
    SELECT event_date, utm_source
    FROM fct_events
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY event_time, event_id) = 1
)
SELECT
    event_date,
    count(*) FILTER (utm_source = 'organic') AS organic_users,
    count(*) FILTER (utm_source = 'paid') AS paid_users,
    count(*) FILTER (utm_source = 'social') AS social_users,
    count(*) FILTER (utm_source = 'referral') AS referral_users,
    count(*) FILTER (
        utm_source IS NULL OR utm_source NOT IN ('organic', 'paid', 'social', 'referral')
    ) AS other_users,
    count(*) AS all_users
FROM first_events
GROUP BY event_date;

CREATE OR REPLACE TABLE growth_drivers AS
WITH days AS (
    SELECT
        totals.*,
        active.active_users,
        nullif(active.active_users, 0) AS dau,
        coalesce(newcomers.organic_users, 0) AS new_organic_users,
        coalesce(newcomers.paid_users, 0) AS new_paid_users,
        coalesce(newcomers.social_users, 0) AS new_social_users,
        coalesce(newcomers.referral_users, 0) AS new_referral_users,
        coalesce(newcomers.other_users, 0) AS new_other_users,
        coalesce(newcomers.all_users, 0) AS total_new_users,
        totals.miles_earned::HUGEINT AS earned,
        totals.miles_redeemed::HUGEINT AS redeemed
    FROM oracle_totals AS totals
    INNER JOIN oracle_active_dates AS active USING (event_date)
    LEFT JOIN oracle_new_users AS newcomers USING (event_date)
)
SELECT
    event_date,
    active_users AS daily_active_users,
    events AS total_daily_events,
    miles_earned AS daily_miles_earned,
    miles_redeemed AS daily_miles_redeemed,
    miles_earned - miles_redeemed AS net_miles_change,
    earning_users AS users_earning_miles,
    redeeming_users AS users_redeeming_miles,
    earning_events AS miles_earning_events,
    redeeming_events AS miles_redemption_events,
    miles_earned / nullif(miles_redeemed, 0) AS miles_earn_redeem_ratio,
    100 * earning_users / dau AS earning_user_pct,
    100 * redeeming_users / dau AS redeeming_user_pct,
    shares AS daily_shares,
    likes AS daily_likes,
    searches AS daily_searches,
    sharing_users AS users_sharing,
    liking_users AS users_liking,
    searching_users AS users_searching,
    100 * sharing_users / dau AS sharing_user_pct,
    100 * liking_users / dau AS liking_user_pct,
    100 * searching_users / dau AS searching_user_pct,
    ios_users,
    android_users,
    web_users,
    100 * ios_users / dau AS ios_user_pct,
    100 * android_users / dau AS android_user_pct,
    100 * web_users / dau AS web_user_pct,
    ios_events / nullif(ios_users, 0) AS ios_events_per_user,
    android_events / nullif(android_users, 0) AS android_events_per_user,
    web_events / nullif(web_users, 0) AS web_events_per_user,
    new_organic_users,
    new_paid_users,
    new_social_users,
    new_referral_users,
    total_new_users,
    CASE
        WHEN 10 * earned > 12 * redeemed THEN 'Healthy Growth'
        WHEN earned > redeemed THEN 'Stable'
        WHEN 10 * redeemed > 12 * earned THEN 'High Redemption'
        ELSE 'Balanced'
    END AS miles_economy_health,
    CASE
        WHEN dau IS NULL THEN NULL
        WHEN 100 * social_users >= 20 * dau THEN 'High Social'
        WHEN 100 * social_users >= 10 * dau THEN 'Moderate Social'
        ELSE 'Low Social'
    END AS social_engagement_level,
    floor(
        (
            30 * earning_users
            + 20 * redeeming_users
            + 20 * sharing_users
            + 15 * liking_users
            + 15 * searching_users
        )
        / dau
        + 0.5
    )::BIGINT AS feature_adoption_score,
    avg(miles_earned) OVER week AS avg_7d_miles_earned,
    avg(shares + likes) OVER week AS avg_7d_social_actions,
    getvariable('written_at') AS calculated_at,
    new_other_users,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM days
WINDOW week AS (ORDER BY event_date ROWS 6 PRECEDING);

CREATE OR REPLACE TABLE miles_analytics AS
SELECT
    event_date,
    miles_earned AS daily_miles_earned,
    miles_redeemed AS daily_miles_redeemed,
    miles_earned - miles_redeemed AS net_miles_change,
    earning_users AS users_earning,
    redeeming_users AS users_redeeming,
    earning_events AS earning_transactions,
    redeeming_events AS redeeming_transactions,
    (sum(miles_earned) OVER to_date)::BIGINT AS cumulative_miles_earned,
    (sum(miles_redeemed) OVER to_date)::BIGINT AS cumulative_miles_redeemed,
    floor(avg(miles_earned) OVER week + 0.5)::BIGINT AS avg_7d_miles_earned,
    floor(avg(miles_redeemed) OVER week + 0.5)::BIGINT AS avg_7d_miles_redeemed,
    getvariable('written_at') AS calculated_at,
    event_date < (SELECT max(event_date) FROM fct_events) AS is_complete
FROM oracle_totals
WINDOW
    to_date AS (ORDER BY event_date),
    week AS (ORDER BY event_date ROWS 6 PRECEDING);
