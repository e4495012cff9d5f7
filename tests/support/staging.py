"""Staged changes made by hand, and what they should come to, one row at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline.warehouse.bigquery.limits import LAYOUT
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.contract import BYTES, DATE, FLOAT, INTEGER, STRING, TIMESTAMP, Column, Table

Row = dict[str, Any]
START = datetime(2024, 1, 31, 12)


def filled(table: Table, **values: Any) -> Row:
    """A row with these values, and any others that fit the contract."""
    return {column.name: values.get(column.name, _any(column)) for column in table.columns}


def _any(column: Column) -> Any:
    if not column.required:
        return None
    return {
        STRING: "text",
        INTEGER: 1,
        FLOAT: 0.5,
        DATE: date(2024, 1, 31),
        TIMESTAMP: START,
        BYTES: b"\x02bytes",
    }.get(column.type, False)


def at(minute: int) -> datetime:
    """A moment of writing."""
    return START + timedelta(minutes=minute)


def stage(
    table: Table, rows: Sequence[Row], folder: str, layout: FileLayout | None = None
) -> list[StagedFile]:
    """Rows as staged files; none for no rows.

    Without a layout they are as BigQuery wants them below gs://, and elsewhere as DuckDB does.
    """
    at_home = LAYOUT if folder.startswith("gs://") else FileLayout()
    files = StagedFiles(table, folder, layout or at_home)
    if rows:
        files.write(pa.Table.from_pylist(list(rows), schema=table.arrow_schema))
    return list(files.close())


def change(
    table: Table,
    disposition: WriteDisposition,
    folder: str,
    rows: Sequence[Row],
    leaving: Sequence[Row] = (),
    appended: Sequence[Row] = (),
    matching: Mapping[tuple[str, ...], Sequence[Row]] | None = None,
) -> Change:
    """A change with these rows; for MERGE these keys that leave the table, and rows that are new;
    by their names rows with whose values in some columns others leave it."""
    return Change(
        table,
        disposition,
        stage(table, rows, folder),
        stage(table.deletes, _only(leaving, table.deletes), folder),
        stage(table.appended, appended, folder),
        [
            Matching(
                columns,
                stage(table.matching(columns), _only(values, table.matching(columns)), folder),
            )
            for columns, values in (matching or {}).items()
        ],
    )


def _only(rows: Sequence[Row], table: Table) -> list[Row]:
    return [{name: row[name] for name in table.column_names} for row in rows]


def without(before: Sequence[Row], matching: Mapping[tuple[str, ...], Sequence[Row]]) -> list[Row]:
    """The rows of a table that are left when those go that have others' values in some columns."""
    return [
        row
        for row in before
        if not any(
            all(row[name] is not None and row[name] == value[name] for name in columns)
            for columns, values in matching.items()
            for value in values
        )
    ]


def merged(
    table: Table, before: Sequence[Row], rows: Sequence[Row], leaving: Sequence[Row] = ()
) -> list[Row]:
    """What a merge makes of a table's rows: of each key what was written last, and of rows that
    differ in nothing else what was there first."""
    found = {_key(table, row): row for row in before}
    staged = [*((row, True) for row in leaving), *((row, False) for row in rows)]
    staged.sort(key=lambda item: _written(table, item[0]))
    for key, (row, leaves) in {_key(table, item[0]): item for item in staged}.items():
        there = found.get(key)
        if there is not None and _written(table, there) > _written(table, row):
            continue
        if leaves:
            found.pop(key, None)
        elif there is None or _figures(table, there) != _figures(table, row):
            found[key] = row
    return list(found.values())


def _key(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.primary_key)


def _figures(table: Table, row: Row) -> Row:
    return {name: value for name, value in row.items() if name != table.written_at}


def _written(table: Table, row: Mapping[str, Any]) -> datetime:
    return row[table.written_at] if table.written_at else START


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows in a fixed order."""
    return sorted(rows, key=repr)
