"""What DuckDB lacks of BigQuery's SQL, as far as statements of checks and reports use it."""

from __future__ import annotations

from typing import Final

MACROS: Final = (
    "CREATE TEMP MACRO UNIX_DATE(day) AS CAST(day - DATE '1970-01-01' AS BIGINT)",
    "CREATE TEMP MACRO UNIX_MICROS(moment) AS epoch_us(moment)",
    "CREATE TEMP MACRO REGEXP_CONTAINS(text, pattern) AS regexp_matches(text, pattern)",
    "CREATE TEMP MACRO DATETIME(moment, zone) AS timezone(zone, timezone('UTC', moment))",
    "CREATE TEMP MACRO DIV(number, divisor) AS number // divisor",
)
