"""Rows of people who are known by several ids, and what plain SQL makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from tests.support.reading import reading
from tests.support.tables import Row

# Of raw events and pairs: a map is followed to its end, then equal rows are one event.
_EVENTS = """
    WITH RECURSIVE steps AS (
        SELECT anonymous_id, user_id, 1 AS step FROM pairs
        UNION ALL
        SELECT s.anonymous_id, p.user_id, s.step + 1
        FROM steps AS s JOIN pairs AS p ON p.anonymous_id = s.user_id
    ), ends AS (
        SELECT anonymous_id, arg_max(user_id, step) AS user_id FROM steps GROUP BY anonymous_id
    )
    SELECT DISTINCT raw.* REPLACE (coalesce(ends.user_id, trim(raw.user_id)) AS user_id)
    FROM raw LEFT JOIN ends ON ends.anonymous_id = trim(raw.user_id)
"""


def write_pairs(path: Path, known: Mapping[str, str]) -> None:
    """A file for --people."""
    lines = [f"{anonymous},{user}\n" for anonymous, user in known.items()]
    path.write_text("".join(["anonymous_id,user_id\n", *lines]))


def under_known_ids(rows: Sequence[Row], known: Mapping[str, str]) -> list[Row]:
    """The rows as they would have come if everybody had had one id."""
    found: list[Row] = []
    for item in rows:
        user = item["user_id"].strip()
        while user in known:
            user = known[user]
        found.append({**item, "user_id": user})
    return found


def figures(database: Path) -> list[tuple[object, ...]]:
    """By date the events and users of the tables, and by user their events."""
    with reading(database) as connection:
        return _asked(connection, "fct_events", "user_id", "event_date")


def figures_by_sql(files: Sequence[Path], known: Mapping[str, str]) -> list[tuple[object, ...]]:
    """The same of raw CSV files joined with pairs."""
    with duckdb.connect() as connection:
        names = [str(path) for path in files]
        connection.execute(
            "CREATE TABLE raw AS SELECT * FROM read_csv(?, all_varchar = true, nullstr = '')",
            [names],
        )
        connection.execute("CREATE TABLE pairs (anonymous_id VARCHAR, user_id VARCHAR)")
        connection.executemany("INSERT INTO pairs VALUES (?, ?)", [("", ""), *known.items()])
        connection.execute("DELETE FROM pairs WHERE anonymous_id = ''")
        connection.execute(f"CREATE TABLE events AS {_EVENTS}")
        return _asked(connection, "events", "user_id", "CAST(event_time AS TIMESTAMP)::DATE")


def _asked(
    connection: duckdb.DuckDBPyConnection, table: str, user: str, date: str
) -> list[tuple[object, ...]]:
    return connection.execute(
        f"SELECT {user}::VARCHAR, {date}::VARCHAR, count(*) FROM {table} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
