"""The tables of the contract in plain DuckDB SQL, independent of the pipeline's own code."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

EVENT_TYPES: Final = ("miles_earned", "miles_redeemed", "share", "like", "reward_search")
SOURCE_COLUMNS: Final = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)
TABLES: Final = (
    "fct_events",
    "dim_users",
    "users_with_negative_miles",
    "social_capital_growth_accounting",
    "quick_ratio_analysis",
    "growth_metrics",
    "retention_quality_framework",
    "user_resurrection_analysis",
    "retention_cohorts",
    "growth_drivers",
    "miles_analytics",
    "weekly_growth_accounting",
    "growth_by_segment",
    "growth_by_segment_monthly",
    "retention_curves",
    "engagement_distribution",
    "events_by_type",
    "session_metrics",
)

_FOLDER: Final = Path(__file__).parent
_TABLE_FILES: Final = (
    "events.sql",
    "users.sql",
    "activity.sql",
    "monthly.sql",
    "daily.sql",
    "drivers.sql",
    "segments.sql",
    "sessions.sql",
)


class Time(NamedTuple):
    """How time is reckoned.

    Attributes:
        zone: the time zone of dates.
        week_start: monday or sunday.
        gap_minutes: how long a pause ends a session.
    """

    zone: str = "UTC"
    week_start: str = "monday"
    gap_minutes: int = 30


_USUAL: Final = Time()


_VARIABLES: Final = (
    *("csv_paths", "event_types", "active_event_types", "written_at"),
    *Time._fields,
)


def build(
    connection: duckdb.DuckDBPyConnection,
    csv_paths: Sequence[str],
    active_event_types: Sequence[str] | None = None,
    event_ids: str | None = None,
    own_event_types: Sequence[str] = (),
    time: Time = _USUAL,
) -> None:
    """Compute every table from CSV files, into the connection's main schema.

    Besides the tables there are ``input_rows(n)`` and ``dead_letters(error_type, n)``. Lines
    of the wrong width or encoding count there as ``malformed_row``, as far as DuckDB's reader sees
    them: it overlooks surplus fields that are empty, and an unbalanced quote makes it swallow the
    lines after it (there is a warning then).

    Args:
        connection: where the tables go; those of the same name are replaced.
        csv_paths: CSV files with a header, or globs of them.
        active_event_types: the event types that count as activity; all five if None.
        event_ids: a relation with the eight source columns and ``event_id``, to take the ids from;
            they are hashes of the eight values if None.
        own_event_types: event types that there are beside the five.
        time: how time is reckoned.
    """
    _set_variables(connection, active_event_types, time)
    _set_variable(connection, "csv_paths", csv_paths)
    _set_variable(connection, "event_types", [*EVENT_TYPES, *own_event_types])
    _drop_staging(connection)
    _run(connection, "parse.sql")
    _warn_of_unbalanced_quotes(connection)
    _build_tables(connection, event_ids)


def build_from_events(
    connection: duckdb.DuckDBPyConnection,
    relation_name: str,
    active_event_types: Sequence[str] | None = None,
    event_ids: str | None = None,
    time: Time = _USUAL,
) -> None:
    """Compute every table from typed and valid events, like :func:`build`.

    Args:
        connection: where the relation is and where the tables go.
        relation_name: a relation with the eight source columns; equal rows are one event.
        active_event_types: as in :func:`build`.
        event_ids, time: as in :func:`build`.
    """
    _set_variables(connection, active_event_types, time)
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW oracle_source AS "
        f"SELECT {', '.join(SOURCE_COLUMNS)} FROM {relation_name}"
    )
    connection.execute(
        """
        CREATE OR REPLACE TABLE input_rows AS SELECT count(*) AS n FROM oracle_source;
        CREATE OR REPLACE TABLE dead_letters (error_type VARCHAR, n BIGINT);
        """
    )
    _build_tables(connection, event_ids)


def _build_tables(connection: duckdb.DuckDBPyConnection, event_ids: str | None) -> None:
    _run(connection, "ids_hashed.sql")
    if event_ids is None:
        connection.execute("CREATE OR REPLACE TEMP VIEW oracle_events AS FROM oracle_hashed_events")
    else:
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW oracle_given_ids AS "
            f"SELECT {', '.join(SOURCE_COLUMNS)}, event_id FROM {event_ids}"
        )
        _run(connection, "ids_given.sql")
    for name in _TABLE_FILES:
        _run(connection, name)
    _drop_staging(connection)
    for name in _VARIABLES:
        connection.execute(f"RESET VARIABLE {name}")


def _warn_of_unbalanced_quotes(connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute(
        "SELECT min(line) FROM oracle_reject_errors WHERE error_type = 'UNQUOTED VALUE'"
    ).fetchone()
    if row is not None and row[0] is not None:
        warnings.warn(
            f"unbalanced quote in line {row[0]}: the lines that it swallowed are not counted",
            stacklevel=3,
        )


def _run(connection: duckdb.DuckDBPyConnection, file_name: str) -> None:
    connection.execute((_FOLDER / file_name).read_text(encoding="utf-8"))


def _set_variables(
    connection: duckdb.DuckDBPyConnection, active_event_types: Sequence[str] | None, time: Time
) -> None:
    types = EVENT_TYPES if active_event_types is None else active_event_types
    _set_variable(connection, "active_event_types", types)
    for name, value in time._asdict().items():
        connection.execute(f"SET VARIABLE {name} = ?", [value])
    # Through the epoch, because a plain cast would follow the session's time zone.
    connection.execute("SET VARIABLE written_at = make_timestamp(epoch_us(now()))")


def _set_variable(connection: duckdb.DuckDBPyConnection, name: str, values: Sequence[str]) -> None:
    connection.execute(f"SET VARIABLE {name} = ?::VARCHAR[]", [list(values)])


def _drop_staging(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what a build leaves in between, which holds the memory of the whole input."""
    staged = connection.execute(
        "SELECT 'VIEW', view_name FROM duckdb_views() "
        "WHERE temporary AND starts_with(view_name, 'oracle_') "
        "UNION ALL "
        "SELECT 'TABLE', table_name FROM duckdb_tables() "
        "WHERE temporary AND starts_with(table_name, 'oracle_')"
    ).fetchall()
    for kind, name in staged:
        connection.execute(f"DROP {kind} temp.{name}")
