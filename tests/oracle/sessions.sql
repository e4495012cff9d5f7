-- fct_events, growth_metrics -> session_metrics.

CREATE OR REPLACE TEMP TABLE oracle_sessions AS
WITH sessions AS (
    SELECT
        user_id,
        oracle_date(min(event_time)) AS event_date,
        count(*) AS events,
        (epoch_us(max(event_time)) - epoch_us(min(event_time))) // 1000000 AS seconds
    FROM fct_events
    GROUP BY user_id, session_id
)
SELECT
    *,
    -- The first 6 binary digits of a longer duration.
    CASE
        WHEN seconds < 64 THEN seconds
        ELSE seconds - seconds % (1::BIGINT << (length(bin(seconds)) - 6))
    END AS rounded_seconds
FROM sessions;

CREATE OR REPLACE TABLE session_metrics AS
SELECT
    growth_metrics.event_date,
    count(events) AS sessions,
    count(DISTINCT user_id) AS users_with_sessions,
    coalesce(sum(events), 0)::BIGINT AS session_events,
    count(*) FILTER (events = 1) AS single_event_sessions,
    coalesce(sum(seconds), 0)::BIGINT AS session_seconds,
    count(events) / nullif(count(DISTINCT user_id), 0) AS sessions_per_user,
    sum(events)::BIGINT / count(events) AS events_per_session,
    100 * count(*) FILTER (events = 1) / nullif(count(events), 0) AS single_event_session_pct,
    sum(seconds)::BIGINT / count(events) AS mean_session_seconds,
    median(rounded_seconds) AS median_session_seconds,
    growth_metrics.is_complete
FROM growth_metrics
LEFT JOIN oracle_sessions ON growth_metrics.event_date = oracle_sessions.event_date
GROUP BY growth_metrics.event_date, growth_metrics.is_complete;
