"""Exports of seven tools as they are, and every figure against plain SQL over the raw export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pytest

from pipeline.__main__ import main
from tests.support.made_exports import (
    Export,
    amplitude,
    ga4,
    german_excel,
    mixpanel,
    parquet,
    segment,
    shopify_orders,
    snowplow,
)
from tests.support.runs import CHECKED_THOROUGHLY
from tests.support.thorough import some

ROWS: Final = 10_000
EXCEL: Final = """\
amount.decimal = ","
event_types.own = ["Signed Up für uns", "Product Viewed für uns"]
[columns]
event_time = "Zeitpunkt"
user_id = "Kundennummer"
event_type = "Ereignis"
miles_amount = "Betrag"
utm_source = "Quelle"
country = "Land"
platform = {constant = "Web"}
[time]
format = "%d.%m.%Y %H:%M:%S"
[values.event_type]
"Order Completed für uns" = "miles_earned"
"""
PARQUET: Final = """\
[columns]
event_time = "occurred_at"
user_id = "member_id"
event_type = "action"
platform = "device.os"
country = "geo.country"
[values.platform]
iPadOS = "iOS"
"*" = "Web"
[values.event_type]
"*" = "like"
"Signed Up" = "share"
"""
OS: Final = """(properties ->> '$."$os"')"""
SYSTEM: Final = (
    "CASE WHEN {0} IN ('iOS', 'iPadOS') THEN 'iOS' WHEN {0} = 'Android' THEN {0} ELSE 'Web' END"
)
COUNTRY: Final = (
    "CASE {0} WHEN 'Germany' THEN 'DE' WHEN 'United States' THEN 'US' "
    "WHEN 'Singapore' THEN 'SG' END"
)


@dataclass(frozen=True)
class Case:
    """An export, and what SQL says of its rows.

    Attributes:
        export: makes it.
        raw: a SELECT over the file {0} of ts, who, type, platform, source, country, miles.
        rules: a file of them; None for the preset of the case's name.
    """

    export: Callable[[int], Export]
    raw: str
    rules: str | None = None


def shopify(number: int) -> Export:
    return Export("orders.csv", shopify_orders(number)[0].encode(), ())


CASES: Final = {
    "segment": Case(
        segment,
        f"""SELECT "timestamp"::TIMESTAMPTZ::TIMESTAMP AS ts, coalesce(userId, anonymousId) AS who,
            event AS type, {SYSTEM.format('"context.os.name"')} AS platform,
            "context.campaign.source" AS source,
            {COUNTRY.format('"context.location.country"')} AS country, NULL::BIGINT AS miles
        FROM read_csv('{{0}}', all_varchar = true)""",
    ),
    "excel": Case(
        german_excel,
        """SELECT strptime(Zeitpunkt, '%d.%m.%Y %H:%M:%S') AS ts, Kundennummer AS who,
            replace(Ereignis, 'Order Completed für uns', 'miles_earned') AS type,
            'Web' AS platform, Quelle AS source, Land AS country,
            round(replace(Betrag, ',', '.')::DECIMAL(18, 2))::BIGINT AS miles
        FROM read_csv('{0}', delim = ';', all_varchar = true, encoding = 'latin-1')""",
        EXCEL,
    ),
    "parquet": Case(
        parquet,
        f"""SELECT occurred_at::TIMESTAMP AS ts, member_id AS who,
            CASE action WHEN 'Signed Up' THEN 'share' ELSE 'like' END AS type,
            {SYSTEM.format("device.os")} AS platform, nullif(utm_source, '') AS source,
            {COUNTRY.format("geo.country")} AS country, NULL::BIGINT AS miles
        FROM '{{0}}'""",
        PARQUET,
    ),
    "ga4": Case(
        ga4,
        f"""SELECT make_timestamp(event_timestamp::BIGINT) AS ts,
            coalesce(user_id, user_pseudo_id) AS who, event_name AS type,
            CASE platform WHEN 'IOS' THEN 'iOS' WHEN 'ANDROID' THEN 'Android' ELSE 'Web' END
                AS platform,
            traffic_source ->> 'source' AS source,
            {COUNTRY.format("(geo ->> 'country')")} AS country,
            NULL::BIGINT AS miles
        FROM read_json('{{0}}', columns = {{{{event_timestamp: 'VARCHAR', user_id: 'VARCHAR',
            user_pseudo_id: 'VARCHAR', event_name: 'VARCHAR', platform: 'VARCHAR',
            traffic_source: 'JSON', geo: 'JSON'}}}})""",
    ),
    "mixpanel": Case(
        mixpanel,
        f"""SELECT to_timestamp((properties ->> 'time')::BIGINT)::TIMESTAMP AS ts,
            properties ->> 'distinct_id' AS who, event AS type,
            {SYSTEM.format(OS)} AS platform,
            nullif(properties ->> 'utm_source', '') AS source,
            properties ->> 'mp_country_code' AS country, NULL::BIGINT AS miles
        FROM read_json('{{0}}', columns = {{{{event: 'VARCHAR', properties: 'JSON'}}}})""",
    ),
    "amplitude": Case(
        amplitude,
        f"""SELECT event_time::TIMESTAMP AS ts, coalesce(user_id, device_id) AS who,
            event_type AS type, {SYSTEM.format("os_name")} AS platform,
            nullif(user_properties ->> 'utm_source', '') AS source,
            {COUNTRY.format("country")} AS country, NULL::BIGINT AS miles
        FROM read_json('{{0}}', format = 'newline_delimited', columns = {{{{event_time: 'VARCHAR',
            user_id: 'VARCHAR', device_id: 'VARCHAR', event_type: 'VARCHAR', os_name: 'VARCHAR',
            country: 'VARCHAR', user_properties: 'JSON'}}}})""",
    ),
    "snowplow": Case(
        snowplow,
        """SELECT column124::TIMESTAMP AS ts, coalesce(column012, column015) AS who,
            column126 AS type,
            CASE WHEN column098 IN ('iOS', 'Android') THEN column098 ELSE 'Web' END AS platform,
            column048 AS source, column018 AS country, NULL::BIGINT AS miles
        FROM read_csv('{0}', delim = '\t', quote = '', header = false, all_varchar = true)""",
    ),
    "shopify": Case(
        shopify,
        """SELECT strptime("Created at", '%Y-%m-%d %H:%M:%S %z')::TIMESTAMP AS ts,
            coalesce(Email, Name) AS who,
            CASE "Financial Status" WHEN 'paid' THEN 'miles_earned' ELSE 'further_items' END
                AS type,
            'Web' AS platform, NULL AS source, any_value("Billing Country") AS country,
            any_value(round(Total::DECIMAL(18, 2))::BIGINT) AS miles
        FROM read_csv('{0}', all_varchar = true) GROUP BY ALL""",
    ),
}
SESSIONS: Final = """
    marked AS (
        SELECT who, ts,
            ts - lag(ts) OVER (PARTITION BY who ORDER BY ts) < INTERVAL 30 MINUTE
                AS same
        FROM raw
    ),
    numbered AS (
        SELECT who, ts, sum((same IS NOT TRUE)::INT) OVER (PARTITION BY who ORDER BY ts) AS session
        FROM marked
    ),
    sessions AS (
        SELECT who, min(ts)::DATE AS date, count(*) AS events, max(ts) - min(ts) AS length
        FROM numbered GROUP BY who, session
    )
"""
FIRST: Final = "firsts AS (SELECT who, min(ts) AS first_at FROM raw GROUP BY who)"
# What the tables say, and what the raw rows do.
FIGURES: Final = {
    "events by type": (
        "SELECT event_date, event_type, events, users FROM events_by_type WHERE events > 0",
        "SELECT ts::DATE, type, count(*), count(DISTINCT who) FROM raw GROUP BY ALL",
    ),
    "daily users": (
        "SELECT event_date, daily_active_users, new_users FROM growth_metrics "
        "WHERE daily_active_users > 0",
        f"WITH {FIRST} SELECT ts::DATE, count(DISTINCT who), "
        "count(DISTINCT who) FILTER (first_at::DATE = ts::DATE) FROM raw JOIN firsts USING (who) "
        "GROUP BY ALL",
    ),
    "months": (
        "SELECT activity_month, total_mau, new_users FROM social_capital_growth_accounting",
        f"WITH {FIRST} SELECT date_trunc('month', ts)::DATE AS month, count(DISTINCT who), "
        "count(DISTINCT who) FILTER (date_trunc('month', first_at) = date_trunc('month', ts)) "
        "FROM raw JOIN firsts USING (who) GROUP BY month",
    ),
    "cohorts": (
        "SELECT cohort_month, period_month, users_active FROM retention_cohorts "
        "WHERE users_active > 0",
        f"WITH {FIRST} SELECT date_trunc('month', first_at)::DATE, "
        "date_trunc('month', ts)::DATE, count(DISTINCT who) FROM raw JOIN firsts USING (who) "
        "GROUP BY ALL",
    ),
    "sessions": (
        "SELECT event_date, sessions, session_events, session_seconds FROM session_metrics "
        "WHERE sessions > 0",
        f"WITH {SESSIONS} SELECT date, count(*), sum(events)::BIGINT, "
        "sum(floor(epoch(length)))::BIGINT FROM sessions GROUP BY date",
    ),
    "platforms": (
        "SELECT event_date, ios_users, android_users, web_users FROM growth_drivers "
        "WHERE total_daily_events > 0",
        "SELECT ts::DATE, count(DISTINCT who) FILTER (platform = 'iOS'), "
        "count(DISTINCT who) FILTER (platform = 'Android'), "
        "count(DISTINCT who) FILTER (platform = 'Web') FROM raw GROUP BY ALL",
    ),
    "miles": (
        "SELECT event_date, daily_miles_earned FROM miles_analytics WHERE daily_miles_earned > 0",
        "SELECT ts::DATE, sum(miles)::BIGINT FROM raw WHERE type = 'miles_earned' "
        "GROUP BY ALL HAVING sum(miles) > 0",
    ),
    "users": (
        "SELECT user_id, first_seen_at, last_seen_at, active_days, first_platform, "
        "first_utm_source FROM dim_users",
        "SELECT who, min(ts), max(ts), count(DISTINCT ts::DATE), arg_min(platform, ts), "
        "arg_min_null(source, ts) FROM raw GROUP BY who",
    ),
    "labels": (
        "SELECT platform, utm_source, country, count(*) FROM fct_events GROUP BY ALL",
        "SELECT platform, source, country, count(*) FROM raw GROUP BY ALL",
    ),
}


@pytest.mark.parametrize("kind", some([*CASES], 3))
def test_every_figure_of_an_export_is_what_sql_says(kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    export = case.export(ROWS)
    path, home = tmp_path / export.name, tmp_path / "growth.duckdb"
    path.write_bytes(export.data)
    rules = ["--preset", kind]
    if case.rules is not None:
        assert len(case.rules.splitlines()) <= 15
        (tmp_path / "rules.toml").write_text(case.rules)
        rules = ["--rules", str(tmp_path / "rules.toml")]
    url = f"duckdb:///{home}"
    checked = ["--quality", CHECKED_THOROUGHLY]
    assert main(["batch", "--input", str(path), *rules, *checked, "--warehouse", url]) == 0
    with duckdb.connect(str(home)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TEMP TABLE raw AS {case.raw.format(path)}")
        dead = connection.execute("SELECT error_message FROM dead_letter_events").fetchall()
        assert dead == []
        for name, (ours, theirs) in FIGURES.items():
            found = connection.execute(f"FROM ({ours}) ORDER BY ALL").fetchall()
            expected = connection.execute(f"FROM ({theirs}) ORDER BY ALL").fetchall()
            assert found == expected, name
            assert found or name == "miles"
