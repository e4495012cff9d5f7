"""Rows of DuckDB tables that have one of many keys: the two are joined, nothing is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from pipeline.warehouse.duckdb.duckdb_sql import DIALECT
from pipeline.warehouse.duckdb.staged_rows import staged
from pipeline.warehouse.lookups import Lookup
from pipeline.warehouse.merging import within_partitions
from transforms.contract import Table

_BATCH_ROWS: Final = 100_000
_KEYS: Final = "wanted_keys"


def staged_matches(connection: duckdb.DuckDBPyConnection, lookup: Lookup) -> Iterator[pa.Table]:
    """The rows that a lookup finds, in pieces."""
    keys, days = staged(lookup.keys, lookup.files), lookup.partitions
    if keys is None:
        return
    within = "TRUE"
    if days is not None and lookup.table.partition is not None:
        # What is clustered by date by the way that days were loaded is skipped by it.
        within = within_partitions(lookup.table.partition, days, DIALECT)
    statement = _matches(lookup.table, lookup.columns, lookup.by, keys, within)
    for batch in connection.sql(statement).to_arrow_reader(_BATCH_ROWS):
        yield pa.Table.from_batches([batch]).cast(lookup.schema)


def matches(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: Sequence[str], keys: pa.Table
) -> pa.Table:
    """The rows that have one of some keys."""
    connection.register(_KEYS, keys)
    found = connection.sql(_matches(table, columns, keys.column_names, _KEYS, "TRUE"))
    schema = pa.schema([table.arrow_schema.field(name) for name in columns])
    return found.to_arrow_table().cast(schema)


def _matches(
    table: Table, columns: Sequence[str], by: Sequence[str], keys: str, within: str
) -> str:
    """The keys alone are compared first, and the other columns read of the rows that are found: all
    at once DuckDB reads and unpacks the ids of every row of these dates, for three times as long.
    """
    name = DIALECT.name(table.name)
    shown = ", ".join(f"t.{DIALECT.name(column)}" for column in columns)
    names = ", ".join(map(DIALECT.name, by))
    same = " AND ".join(f"t.{column} = k.{column}" for column in map(DIALECT.name, by))
    places = (
        f"SELECT t.rowid AS place FROM {name} AS t "
        f"SEMI JOIN (SELECT DISTINCT {names} FROM {keys}) AS k ON {same} WHERE {within}"
    )
    return f"SELECT {shown} FROM {name} AS t SEMI JOIN ({places}) AS p ON t.rowid = p.place"
