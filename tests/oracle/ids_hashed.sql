-- oracle_source -> oracle_hashed_events: event_id is a hash of all eight values.

-- Unambiguous: the three free texts come last, after their lengths, and NULL has no length. No
-- other value is ever empty.
CREATE OR REPLACE TEMP VIEW oracle_hashed_events AS
SELECT
    *,
    md5(concat(
        epoch_us(event_time), '|',
        event_type, '|',
        miles_amount, '|',
        platform, '|',
        country, '|',
        strlen(user_id), '|',
        strlen(transaction_category), '|',
        strlen(utm_source), '|',
        user_id, transaction_category, utm_source
    )) AS event_id
FROM oracle_source;
