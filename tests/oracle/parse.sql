-- CSV files -> oracle_parsed: one row per input row, typed, with the first rule that it breaks.
-- Reads the variables csv_paths and written_at.

-- White space is Unicode's White_Space. A field that begins and ends with a visible ASCII character
-- has none to trim, and the slow regular expression is spared.
CREATE OR REPLACE TEMP MACRO oracle_tidy(field) AS CASE
    WHEN field BETWEEN '!' AND '~' AND field[-1] BETWEEN '!' AND '~' THEN field
    ELSE nullif(regexp_replace(field, '^[\s\v\x{85}\pZ]+|[\s\v\x{85}\pZ]+$', '', 'g'), '')
END;

-- What shows nothing: white space, controls, and Default_Ignorable_Code_Point.
CREATE OR REPLACE TEMP MACRO oracle_shows_nothing(field) AS regexp_full_match(
    field,
    '[\s\v\pZ\p{Cc}\x{ad}\x{34f}\x{61c}\x{115f}\x{1160}\x{17b4}\x{17b5}\x{180b}-\x{180f}'
    || '\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{fe00}-\x{fe0f}\x{feff}'
    || '\x{ffa0}\x{fff0}-\x{fff8}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]*'
);

-- The minutes east of UTC that a time ends in; 0 where it names no offset.
CREATE OR REPLACE TEMP MACRO oracle_offset_minutes(field) AS
    CASE WHEN regexp_matches(field, '-\d\d(:?\d\d)?$') THEN -1 ELSE 1 END
    * (
        60 * coalesce(try_cast(regexp_extract(field, '[+-](\d\d)(:?\d\d)?$', 1) AS INTEGER), 0)
        + coalesce(try_cast(regexp_extract(field, '[+-]\d\d:?(\d\d)$', 1) AS INTEGER), 0)
    );

-- DuckDB's cast alone would take a date without a time and hour 24, and would drop an offset; it
-- cuts a fraction to six digits, as the contract does.
CREATE OR REPLACE TEMP MACRO oracle_utc(field) AS CASE
    WHEN NOT regexp_full_match(
        field,
        '\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?'
        || '(Z| UTC|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)?'
    ) THEN NULL
    WHEN suffix(field, 'Z') THEN try_cast(field AS TIMESTAMP)
    ELSE
        try_cast(regexp_extract(field, '^.{19}(\.\d+)?') AS TIMESTAMP)
        - to_minutes(oracle_offset_minutes(field))
END;

CREATE OR REPLACE TEMP MACRO oracle_whole_number(field) AS CASE
    WHEN regexp_full_match(field, '\d+(\.0+)?')
    THEN coalesce(try_cast(field AS BIGINT), 9223372036854775807)
END;

CREATE OR REPLACE TEMP TABLE oracle_parsed AS
WITH tidied AS (
    SELECT
        oracle_tidy(event_time) AS time_field,
        oracle_tidy(user_id) AS user_id,
        oracle_tidy(event_type) AS event_type,
        oracle_tidy(transaction_category) AS transaction_category,
        oracle_tidy(miles_amount) AS miles_field,
        lower(oracle_tidy(platform)) AS platform_field,
        lower(oracle_tidy(utm_source)) AS utm_source,
        oracle_tidy(country) AS country_field
    FROM read_csv(
        getvariable('csv_paths'),
        header = true,
        all_varchar = true,
        delim = ',',
        quote = '"',
        escape = '"',
        -- Not union_by_name, which knows no rejects; files of other column orders still match.
        store_rejects = true,
        rejects_table = 'oracle_reject_errors',
        rejects_scan = 'oracle_reject_scans'
    )
),
typed AS (
    SELECT
        oracle_utc(time_field) AS event_time,
        user_id,
        event_type,
        transaction_category,
        CASE
            WHEN event_type IN ('miles_earned', 'miles_redeemed')
            THEN oracle_whole_number(miles_field)
        END AS miles_amount,
        CASE platform_field
            WHEN 'ios' THEN 'iOS'
            WHEN 'android' THEN 'Android'
            WHEN 'web' THEN 'Web'
        END AS platform,
        utm_source,
        upper(country_field) AS country,
        miles_field,
        country_field
    FROM tidied
)
SELECT
    * EXCLUDE (miles_field, country_field),
    CASE
        WHEN user_id IS NULL OR oracle_shows_nothing(user_id) THEN 'missing_user_id'
        WHEN event_time IS NULL THEN 'bad_event_time'
        WHEN event_time < TIMESTAMP '2000-01-01'
            OR event_time > getvariable('written_at') + INTERVAL 60 MINUTE
        THEN 'event_time_out_of_range'
        WHEN event_type IS NULL
            OR NOT list_contains(getvariable('event_types'), event_type)
        THEN 'unknown_event_type'
        WHEN event_type IN ('miles_earned', 'miles_redeemed') AND miles_field IS NULL
        THEN 'missing_miles_amount'
        WHEN event_type IN ('miles_earned', 'miles_redeemed') AND miles_amount IS NULL
        THEN 'bad_miles_amount'
        WHEN miles_amount > 1000000000000 THEN 'too_many_miles'
        WHEN platform IS NULL THEN 'unknown_platform'
        WHEN NOT regexp_full_match(country_field, '[A-Za-z]{2}') THEN 'bad_country'
    END AS error_type
FROM typed;

-- A line can break several rules of CSV, and counts once.
CREATE OR REPLACE TABLE dead_letters AS
SELECT error_type, count(*) AS n
FROM oracle_parsed
WHERE error_type IS NOT NULL
GROUP BY error_type
UNION ALL
SELECT 'malformed_row', count(DISTINCT (file_id, line))
FROM oracle_reject_errors
HAVING count(*) > 0;

CREATE OR REPLACE TABLE input_rows AS
SELECT
    (SELECT count(*) FROM oracle_parsed)
    + (SELECT count(DISTINCT (file_id, line)) FROM oracle_reject_errors) AS n;

CREATE OR REPLACE TEMP VIEW oracle_source AS
SELECT * EXCLUDE (error_type) FROM oracle_parsed WHERE error_type IS NULL;
