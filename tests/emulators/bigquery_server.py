"""The BigQuery emulator, run by its own Python: `.emulators/bin/python bigquery_server.py ...`.

local-bigquery 0.4.0 reads BYTES of a Parquet file as base64, as if it were JSON; BigQuery takes
them as they are. And it takes no MERGE within a transaction, which BigQuery does: it begins one of
its own there, and that fails in a way that ends the other.

To look up a table it lists those of all datasets, with all that is in them, by two threads: nine
tenths of the 30 CPU seconds of a batch of one event. Here it asks DuckLake's own tables, by one.
"""

import sys
from typing import Any

import duckdb
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import load, merge
from local_bigquery.sql import native

_projection, _decoded, _merged = load._projection, load._decoded, merge.run
_register = native.register

_OBJECTS = """
SELECT name, kind, coalesce(record_count, 0) FROM (
    SELECT schema_id, table_name AS name, 'TABLE' AS kind, table_id
    FROM {catalog}.ducklake_table WHERE end_snapshot IS NULL
    UNION ALL
    SELECT schema_id, view_name, 'VIEW', NULL
    FROM {catalog}.ducklake_view WHERE end_snapshot IS NULL
)
LEFT JOIN {catalog}.ducklake_table_stats USING (table_id)
WHERE name = coalesce($2, name) AND schema_id IN (
    SELECT schema_id FROM {catalog}.ducklake_schema
    WHERE schema_name = $1 AND end_snapshot IS NULL
)
ORDER BY 1
"""


def _as_they_are(config: Any, *rest: Any) -> Any:
    is_parquet = config.sourceFormat == "PARQUET"
    load._decoded = (lambda expression, field: expression) if is_parquet else _decoded
    return _projection(config, *rest)


class _Within:
    """A cursor within a transaction, in which none can begin."""

    def __init__(self, cursor: Any):
        self._cursor = cursor

    def execute(self, sql: str, *rest: Any) -> Any:
        if sql == "BEGIN":
            raise duckdb.TransactionException("there is one")
        return self._cursor.execute(sql, *rest)


def _merged_within(cursor: Any, *rest: Any) -> Any:
    # The moment at which the transaction began; without one, each statement is its own.
    moments = {cursor.execute("SELECT epoch_us(now())").fetchone() for _ in range(2)}
    return _merged(_Within(cursor) if len(moments) == 1 else cursor, *rest)


def _objects(project: str, dataset: str, table: str | None = None) -> list[tuple[str, str, int]]:
    """As `database.objects`."""
    catalog = database.quote(f"__ducklake_metadata_{project}")
    query, given = _OBJECTS.format(catalog=catalog), [dataset, table]
    if project == "emulator":
        # DuckDB's own, where the results of queries lie.
        name = database.quote(project, dataset, str(table))
        query, given = f"SELECT $1, 'TABLE', count(*) FROM {name}", [table]
    try:
        return list(database.fetch(query, given))
    except duckdb.CatalogException:
        return []


def _with_one_thread(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET threads = 1")
    _register(connection)


database.objects, native.register = _objects, _with_one_thread
load._projection = _as_they_are
merge.run = _merged_within
sys.exit(main())
