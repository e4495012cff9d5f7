"""Changes to DuckDB tables, as SQL."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa

from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT, literal, quoted
from pipeline.warehouse.guarding import guard, guard_statement
from pipeline.warehouse.merging import delete_matching_statement, merge_statement
from transforms.contract import (
    BYTES,
    Column,
    Table,
)

_HERE: Final = "schema_name = 'main' AND database_name = current_database()"
_ROWS: Final = "rows_in_memory"


def apply(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    """Change a table by its staged files, within the connection's transaction.

    A table that is replaced keeps its indexes; one that is not is there, see `prepare`.

    Raises:
        RunError: if DuckDB has read other rows than were staged.
    """
    if change.disposition is WriteDisposition.REPLACE:
        _replace(connection, change)
        return
    for matching in change.matching:
        _delete_matching(connection, change.table, matching)
    if change.disposition is WriteDisposition.MERGE:
        # First, so that a row is merged into that was new in the same commit.
        _append(connection, change.table, change.table.appended, change.appended)
        _merge(connection, change)
    else:
        _append(connection, change.table, change.table, change.files)


def prepare(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Create tables that are missing, and give others what they lack of columns and descriptions.

    What is there as it should be is not declared again, which takes 90 ms for all tables, in each
    flush of a stream.
    """
    found = _descriptions(connection)
    for table in tables:
        wanted: dict[str | None, str | None] = {None: table.description}
        wanted.update((column.name, column.description) for column in table.columns)
        if not wanted.items() <= found.get(table.name, {}).items():
            _create(connection, table, replacing=False)


def replace_rows(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    """Give a small table other rows, within the connection's transaction; created if missing."""
    _create(connection, table, replacing=False)
    connection.execute(f"DELETE FROM {DIALECT.name(table.name)}")
    insert(connection, table, rows)


def insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    """Add rows in memory to a table, within the connection's transaction."""
    _create(connection, table, replacing=False)
    connection.register(_ROWS, rows)
    connection.execute(f"INSERT INTO {DIALECT.name(table.name)} BY NAME FROM {_ROWS}")


def _replace(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    table, target = change.table, DIALECT.name(change.table.name)
    indexes = _indexes(connection, table)
    _create(connection, table, replacing=True)
    rows = staged(table, change.files)
    if rows is not None:
        connection.execute(f"INSERT INTO {target} BY NAME FROM {rows}")
        _guard(connection, table, change.files, target)
    for statement in indexes:
        connection.execute(statement)


def _delete_matching(
    connection: duckdb.DuckDBPyConnection, table: Table, matching: Matching
) -> None:
    contract = table.matching(matching.columns)
    values = staged(contract, matching.files)
    if values is not None:
        _guard(connection, contract, matching.files, values)
        statement = delete_matching_statement(
            table, DIALECT.name(table.name), values, matching.columns, "TRUE", DIALECT
        )
        connection.execute(statement)


def _merge(connection: duckdb.DuckDBPyConnection, change: Change) -> None:
    table = change.table
    rows, deletes = staged(table, change.files), staged(table.deletes, change.deletes)
    if rows is None and deletes is None:
        return
    _guard(connection, table, change.files, rows)
    _guard(connection, table.deletes, change.deletes, deletes)
    target = DIALECT.name(table.name)
    connection.execute(merge_statement(table, target, rows, deletes, "TRUE", DIALECT))


def _append(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    contract: Table,
    files: Sequence[StagedFile],
) -> None:
    rows = staged(contract, files)
    if rows is not None:
        _guard(connection, contract, files, rows)
        connection.execute(f"INSERT INTO {DIALECT.name(table.name)} BY NAME FROM {rows}")


def _guard(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: Sequence[StagedFile],
    source: str | None,
) -> None:
    """See that a table, or staged files as DuckDB reads them, hold what was staged."""
    if source is None:
        return
    asked = guard_statement(table, source, DIALECT)
    answer = connection.execute(asked).fetchone()
    assert answer is not None
    guard(table, files, answer, "what DuckDB has read")


def _indexes(connection: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """The statements that make a table's indexes, and say what they are for."""
    found = connection.execute(
        "SELECT index_name, sql, comment FROM duckdb_indexes() "
        f"WHERE table_name = ? AND {_HERE} AND sql IS NOT NULL",
        [table.name],
    ).fetchall()
    comments = [
        f"COMMENT ON INDEX {quoted(name)} IS {literal(comment)}"
        for name, _, comment in found
        if comment is not None
    ]
    return [statement for _, statement, _ in found] + comments


def _descriptions(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, dict[str | None, str | None]]:
    """By table what its columns are said to be; by None what the table is."""
    found: dict[str, dict[str | None, str | None]] = {}
    for table, column, description in connection.execute(
        f"SELECT table_name, NULL, comment FROM duckdb_tables() WHERE {_HERE} UNION ALL "
        f"SELECT table_name, column_name, comment FROM duckdb_columns() WHERE {_HERE}"
    ).fetchall():
        found.setdefault(table, {})[column] = description
    return found


def _create(connection: duckdb.DuckDBPyConnection, table: Table, *, replacing: bool) -> None:
    columns = ", ".join(_definition(table, column) for column in table.columns)
    create = "CREATE OR REPLACE TABLE" if replacing else "CREATE TABLE IF NOT EXISTS"
    connection.execute(f'{create} "{table.name}" ({columns})')
    if not replacing:
        _add_columns(connection, table)
    connection.execute(f'COMMENT ON TABLE "{table.name}" IS {literal(table.description)}')
    for column in table.columns:
        connection.execute(
            f'COMMENT ON COLUMN "{table.name}"."{column.name}" IS {literal(column.description)}'
        )


def _add_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Give a table that an earlier version made the columns that came later: NULLABLE ones."""
    present = connection.sql(f'FROM "{table.name}" LIMIT 0').columns
    for column in table.columns:
        if column.name not in present and not column.required:
            definition = _definition(table, column)
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}')


def staged(table: Table, files: Sequence[StagedFile]) -> str | None:
    """Staged rows as SQL that may follow FROM, or None without any."""
    if not files:
        return None
    # A list of paths is one of globs.
    paths = ", ".join(literal(glob.escape(file.path)) for file in files)
    columns = ", ".join(map(DIALECT.name, table.column_names))
    return f"(SELECT {columns} FROM read_parquet([{paths}], hive_partitioning=false))"


def _definition(table: Table, column: Column) -> str:
    return (
        f'"{column.name}" {DIALECT.types[column.type]}{" NOT NULL" if column.required else ""}'
        f"{_compression(column)}"
    )


def _compression(column: Column) -> str:
    """How a column is compressed whose values hardly repeat: the default looks in vain, which takes
    40 % of the time to load hashes, and 60 % of that to load timelines."""
    if column.type == BYTES:
        return " USING COMPRESSION uncompressed"
    return " USING COMPRESSION zstd" if column.is_id else ""
