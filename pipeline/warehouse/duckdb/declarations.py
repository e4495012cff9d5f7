"""DuckDB tables as their contracts declare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from pipeline.warehouse.duckdb.duckdb_sql import DIALECT, literal
from transforms.contract import BYTES, Column, Table

_HERE = "schema_name = 'main' AND database_name = current_database()"


def declare(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Create tables that are missing, and bring others up to date: they get columns that they
    lack, and the descriptions of today.

    What is so already is not touched: a stream's flush changes rows alone, and saying all
    descriptions again took it 0.1 s.
    """
    found = _described(connection)
    for table in tables:
        has = found.get(table.name, {})
        if any(has.get(name) != text for name, text in _descriptions(table).items()):
            create(connection, table, replacing=False)


def create(connection: duckdb.DuckDBPyConnection, table: Table, *, replacing: bool) -> None:
    """Create a table, in place of the one that is there or where there is none."""
    columns = ", ".join(_definition(table, column) for column in table.columns)
    statement = "CREATE OR REPLACE TABLE" if replacing else "CREATE TABLE IF NOT EXISTS"
    connection.execute(f'{statement} "{table.name}" ({columns})')
    if not replacing:
        _add_columns(connection, table)
    for name, text in _descriptions(table).items():
        described = f'TABLE "{table.name}"' if name is None else f'COLUMN "{table.name}"."{name}"'
        connection.execute(f"COMMENT ON {described} IS {literal(text)}")


def _described(
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, Mapping[str | None, str | None]]:
    """By table what is said of each column, and under None of the table itself."""
    found: dict[str, dict[str | None, str | None]] = {}
    for table, column, text in connection.execute(
        f"SELECT table_name, NULL, comment FROM duckdb_tables() WHERE {_HERE} UNION ALL "
        f"SELECT table_name, column_name, comment FROM duckdb_columns() WHERE {_HERE}"
    ).fetchall():
        found.setdefault(table, {})[column] = text
    return found


def _descriptions(table: Table) -> Mapping[str | None, str]:
    """What is said of each column, and under None of the table itself."""
    return {None: table.description, **{c.name: c.description for c in table.columns}}


def _add_columns(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Give a table that an earlier version made the columns that came later: NULLABLE ones."""
    present = connection.sql(f'FROM "{table.name}" LIMIT 0').columns
    for column in table.columns:
        if column.name not in present and not column.required:
            definition = _definition(table, column)
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}')


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
