-- oracle_source, oracle_given_ids -> oracle_events: event_id is the one of the tables under test,
-- so that events of one instant stand in the same order. An event that those tables lack keeps the
-- hash, and so shows as a difference instead of vanishing here too.
CREATE OR REPLACE TEMP VIEW oracle_events AS
WITH given AS (
    SELECT
        event_time,
        user_id,
        event_type,
        transaction_category,
        miles_amount,
        platform,
        utm_source,
        country,
        -- One id for each event, also where the tables under test hold it twice.
        min(event_id) AS event_id
    FROM oracle_given_ids
    GROUP BY ALL
)
SELECT
    hashed.* EXCLUDE (event_id),
    coalesce(given.event_id, hashed.event_id) AS event_id
FROM oracle_hashed_events AS hashed
LEFT JOIN given
    ON hashed.event_time = given.event_time
    AND hashed.user_id = given.user_id
    AND hashed.event_type = given.event_type
    AND hashed.transaction_category IS NOT DISTINCT FROM given.transaction_category
    AND hashed.miles_amount IS NOT DISTINCT FROM given.miles_amount
    AND hashed.platform = given.platform
    AND hashed.utm_source IS NOT DISTINCT FROM given.utm_source
    AND hashed.country IS NOT DISTINCT FROM given.country;
