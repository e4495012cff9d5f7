"""Changes to DuckDB tables, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from pipeline.warehouse.duckdb.declarations import create, declare
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT, literal, quoted
from pipeline.warehouse.duckdb.few_changes import merge_few
from pipeline.warehouse.duckdb.staged_rows import (
    changed,
    few_rows,
    guarded,
    registered,
    rows_to_merge,
    see_as_staged,
    staged,
)
from pipeline.warehouse.merging import delete_matching_statement, merge_statement
from transforms.contract import Table

_HERE: Final = "schema_name = 'main' AND database_name = current_database()"
_ROWS: Final = "rows_in_memory"


def apply(connection: duckdb.DuckDBPyConnection, changes: Sequence[Change]) -> None:
    """Change tables by their staged files, within the connection's transaction.

    A table that is replaced keeps its indexes; one that is not must be there, see `declare`.

    Raises:
        RunError: if other rows were read than were staged.
    """
    indexes = _indexes(connection)
    for change in changes:
        if change.disposition is WriteDisposition.REPLACE:
            _replace(connection, change, indexes.get(change.table.name, []))
        else:
            _change_rows(connection, change)


def _change_rows(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    for matching in change.matching:
        _delete_matching(connection, change.table, matching)
    if change.disposition is WriteDisposition.MERGE:
        # First, so that a row is merged into that was new in the same commit.
        _append(connection, change.table, change.table.appended, change.appended)
        _merge(connection, change)
    else:
        _append(connection, change.table, change.table, change.files)


def replace_rows(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    """Give a small table other rows, within the connection's transaction; created if missing."""
    declare(connection, [table])
    changed(connection, f"DELETE FROM {DIALECT.name(table.name)}")
    insert(connection, table, rows)


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    """Add rows in memory to a table, within the connection's transaction."""
    declare(connection, [table])
    connection.register(_ROWS, rows)
    _insert(connection, table, _ROWS)


def _replace(connection: duckdb.DuckDBPyConnection, change: Change, indexes: Sequence[str]) -> None:
    table = change.table
    create(connection, table, replacing=True)
    if (rows := few_rows(table, change.files)) is not None:
        _insert(connection, table, registered(connection, table, rows))
    elif (source := staged(table, change.files)) is not None:
        _insert(connection, table, source)
        # Of many rows DuckDB's own are read again, sooner than all files twice.
        see_as_staged(connection, table, change.files, DIALECT.name(table.name))
    for statement in indexes:
        connection.execute(statement)


def _delete_matching(
    connection: duckdb.DuckDBPyConnection, table: Table, matching: Matching
) -> None:
    contract = table.matching(matching.columns)
    values = guarded(connection, contract, matching.files)
    if values is not None:
        statement = delete_matching_statement(
            table, DIALECT.name(table.name), values, matching.columns, "TRUE", DIALECT
        )
        changed(connection, statement)


def _merge(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    table = change.table
    rows = rows_to_merge(table, change.files)
    deletes = rows_to_merge(table.deletes, change.deletes)
    has_more = (change.files and rows is None) or (change.deletes and deletes is None)
    if not has_more and merge_few(connection, table, rows, deletes):
        return
    source = guarded(connection, table, change.files)
    leaving = guarded(connection, table.deletes, change.deletes)
    if source is not None or leaving is not None:
        target = DIALECT.name(table.name)
        changed(connection, merge_statement(table, target, source, leaving, "TRUE", DIALECT))


def _append(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    contract: Table,
    files: Sequence[StagedFile],
) -> None:
    rows = guarded(connection, contract, files)
    if rows is not None:
        _insert(connection, table, rows)


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, source: str) -> None:
    changed(connection, f"INSERT INTO {DIALECT.name(table.name)} BY NAME FROM {source}")


def _indexes(connection: duckdb.DuckDBPyConnection) -> Mapping[str, list[str]]:
    """By table the statements that make its indexes, and say what they are for."""
    statements: dict[str, list[str]] = {}
    for table, name, statement, comment in connection.execute(
        "SELECT table_name, index_name, sql, comment FROM duckdb_indexes() "
        f"WHERE {_HERE} AND sql IS NOT NULL"
    ).fetchall():
        made = statements.setdefault(table, [])
        made.append(statement)
        if comment is not None:
            made.append(f"COMMENT ON INDEX {quoted(name)} IS {literal(comment)}")
    return statements
