-- oracle_events -> fct_events.
-- Reads the variables zone, week_start, gap_minutes and written_at.

CREATE OR REPLACE TEMP MACRO oracle_date(moment) AS
    timezone(getvariable('zone'), timezone('UTC', moment))::DATE;

-- The first day of a date's week.
CREATE OR REPLACE TEMP MACRO oracle_week(day) AS
    CASE getvariable('week_start')
        WHEN 'monday' THEN day - (isodow(day) - 1)::INTEGER
        ELSE day - (isodow(day) % 7)::INTEGER
    END;

CREATE OR REPLACE TABLE fct_events AS
WITH numbered AS (
    SELECT
        *,
        lag(event_time) OVER user_events AS previous_time,
        -- Redeliveries are peers in this order: all share a rank, and all but one exceed it.
        row_number() OVER user_events AS row_position,
        rank() OVER user_events AS event_rank,
        dense_rank() OVER user_events AS event_number
    FROM oracle_events
    WINDOW user_events AS (PARTITION BY user_id ORDER BY event_time, event_id)
),
gapped AS (
    SELECT
        * EXCLUDE (previous_time, row_position, event_rank),
        previous_time IS NULL
        OR event_time - previous_time >= to_minutes(getvariable('gap_minutes')) AS is_start
    FROM numbered
    WHERE row_position = event_rank
),
sessions AS (
    SELECT
        *,
        last_value(CASE WHEN is_start THEN event_time END IGNORE NULLS) OVER to_event
            AS session_time,
        last_value(CASE WHEN is_start THEN event_number END IGNORE NULLS) OVER to_event
            AS session_number
    FROM gapped
    WINDOW to_event AS (PARTITION BY user_id ORDER BY event_number)
)
SELECT
    event_id,
    user_id,
    event_type,
    event_time,
    oracle_date(event_time) AS event_date,
    transaction_category,
    miles_amount,
    platform,
    utm_source,
    country,
    md5(concat(epoch_us(session_time), '|', user_id)) AS session_id,
    is_start::BIGINT AS is_session_start,
    event_number - session_number + 1 AS event_sequence_in_session,
    getvariable('written_at') AS processed_at
FROM sessions;
