"""Staged rows as a commit into DuckDB reads them, once they are seen to be what was staged."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.duckdb.duckdb_sql import DIALECT, literal
from pipeline.warehouse.guarding import guard, guard_statement
from transforms.contract import Table
from transforms.kernels.figures import figures_of

# Below that planning what DuckDB is asked takes longer than what it does: of a flush of 500 events
# two of three milliseconds a table.
_FEW_BYTES: Final = 1 << 20
# Of rows that are merged: by their keys a fifth of an update's commit is saved, up to here.
_MERGED_BYTES: Final = 32 << 20


def staged(table: Table, files: Sequence[StagedFile]) -> str | None:
    """Staged rows as SQL that may follow FROM, or None without any."""
    if not files:
        return None
    # A list of paths is one of globs.
    paths = ", ".join(literal(glob.escape(file.path)) for file in files)
    columns = ", ".join(map(DIALECT.name, table.column_names))
    return f"(SELECT {columns} FROM read_parquet([{paths}], hive_partitioning=false))"


def guarded(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[StagedFile]
) -> str | None:
    """Staged rows as SQL that may follow FROM, or None without any; a few are in memory then.

    Raises:
        RunError: if they are read otherwise than they were staged.
    """
    rows = few_rows(table, files)
    if rows is None:
        source = staged(table, files)
        if source is not None:
            see_as_staged(connection, table, files, source)
        return source
    return registered(connection, table, rows)


def registered(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> str:
    """Rows in memory as SQL that may follow FROM."""
    name = f"staged_{table.name}"
    connection.register(name, rows)
    return DIALECT.name(name)


def changed(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    """Change rows; gives how many. Until that is fetched DuckDB takes no other rows from memory."""
    ((rows,),) = connection.execute(statement).fetchall()
    return int(rows)


def few_rows(table: Table, files: Sequence[StagedFile]) -> pa.Table | None:
    """Staged rows in memory, with the contract's columns; None where there are none or many, or
    where only DuckDB can say what is wrong with a file.

    Raises:
        RunError: if they are read otherwise than they were staged.
    """
    return _in_memory(table, files, _FEW_BYTES)


def rows_to_merge(table: Table, files: Sequence[StagedFile]) -> pa.Table | None:
    """As `few_rows`, of rows that are merged, which may be more.

    Raises:
        RunError: as `few_rows`.
    """
    return _in_memory(table, files, _MERGED_BYTES)


def _in_memory(table: Table, files: Sequence[StagedFile], most_bytes: int) -> pa.Table | None:
    if not files or sum(file.bytes for file in files) > most_bytes:
        return None
    try:
        parts = [pq.ParquetFile(file.path).read(use_threads=False) for file in files]
        rows = pa.concat_tables(parts).select(list(table.column_names)).cast(table.arrow_schema)
    except (OSError, KeyError, pa.ArrowException):
        return None
    guard(table, files, [rows.num_rows, *figures_of(rows)], "what was read")
    return rows


def see_as_staged(
    connection: duckdb.DuckDBPyConnection, table: Table, files: Sequence[StagedFile], source: str
) -> None:
    """See that a table, or staged files as DuckDB reads them, hold what was staged.

    Raises:
        RunError: if they don't.
    """
    (answer,) = connection.execute(guard_statement(table, source, DIALECT)).fetchall()
    guard(table, files, answer, "what DuckDB has read")
