"""The BigQuery emulator, run by its own Python: `.emulators/bin/python bigquery_server.py ...`.

local-bigquery 0.4.0 reads BYTES of a Parquet file as base64, as if it were JSON; BigQuery takes
them as they are. And it takes no MERGE within a transaction, which BigQuery does: it begins one of
its own there, and that fails in a way that ends the other. Where queries must name partitions,
it looks for them behind WHERE, and a MERGE may have them behind ON.

Its jobs run side by side, and two loads of one table are a conflict then, which they are not in
BigQuery; what is changed here for a load or a merge is changed for all. One runs at a time.

It keeps tables in DuckLake, which reads its whole catalog again after each change: that took nine
tenths of the 30 CPU seconds of a batch of one event. Here they lie in memory, as DuckDB's own.
"""

import sys
import threading
from typing import Any
from unittest import mock

import duckdb
from local_bigquery.cli import main
from local_bigquery.engine import database
from local_bigquery.jobs import load, merge, runner
from local_bigquery.sql.rules import tables
from sqlglot import exp

_projection, _decoded, _merged = load._projection, load._decoded, merge.run
_check = tables._check
_loaded = runner.HANDLERS["load"]
_turn = threading.Lock()


def _load_in_turn(*arguments: Any) -> Any:
    with _turn:
        return _loaded(*arguments)


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
    # Within a MERGE it asks the table in parts, none of which has the partitions behind WHERE.
    with _turn, mock.patch.object(tables, "_check", _check_as_target):
        return _merged(_Within(cursor) if len(moments) == 1 else cursor, *rest)


def _check_as_target(tree: exp.Expression, table: exp.Table, _: bool) -> None:
    _check(tree, table, True)


def _attach(connection: duckdb.DuckDBPyConnection, project: str) -> None:
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {database.quote(project)}")
    database._attached.add(project)


database._attach = _attach
database.projects = lambda: sorted(database._attached)
load._projection = _as_they_are
runner.HANDLERS["load"] = _load_in_turn
merge.run = _merged_within
sys.exit(main())
