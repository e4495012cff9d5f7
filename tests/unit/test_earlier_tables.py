"""DuckDB tables that an earlier version wrote take the columns that were added since."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import How
from tests.support.staging import Row, change, filled, in_order
from transforms.contract import Table
from transforms.marts.registry import ALL_TABLES, TABLES

GROWN = [table for table in ALL_TABLES if any(column.is_added for column in table.columns)]
DRIVERS = TABLES["growth_drivers"]


def earlier(table: Table) -> Table:
    """The contract before columns were added."""
    columns = tuple(column for column in table.columns if not column.is_added)
    return replace(table, columns=columns, checks=())


def written(folder: Path, table: Table, rows: list[Row]) -> Warehouse:
    """A warehouse in which an earlier version wrote some rows of a table."""
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    warehouse.commit([change(earlier(table), How.REPLACE, str(folder), rows)], "earlier")
    return warehouse


def columns_of(folder: Path, table: Table) -> list[tuple[str, str, bool]]:
    """Names, comments and whether NULL is allowed, in order."""
    with duckdb.connect(str(folder / "growth.duckdb"), read_only=True) as connection:
        return connection.execute(
            "SELECT column_name, comment, is_nullable FROM duckdb_columns() WHERE table_name = ? "
            "ORDER BY column_index",
            [table.name],
        ).fetchall()


def grown_row(table: Table, day: int) -> Row:
    added = {
        c.name: 3 if c.name == "new_other_users" else True for c in table.columns if c.is_added
    }
    dates = {c.name: date(2024, 1, day) for c in table.columns if c.type.value == "DATE"}
    return filled(table, **dates, **added)


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("table", GROWN, ids=lambda table: table.name)
def test_an_earlier_table_takes_added_columns(tmp_path: Path, table: Table, how: How) -> None:
    before, after = filled(earlier(table)), grown_row(table, 2)
    warehouse = written(tmp_path, table, [before])
    warehouse.check([table], None)
    warehouse.commit([change(table, how, str(tmp_path), [after])], "now")
    assert columns_of(tmp_path, table) == [
        (column.name, column.description, not column.required) for column in table.columns
    ]
    kept = [] if how is How.REPLACE else [{**dict.fromkeys(table.column_names), **before}]
    assert in_order(warehouse.read(table).to_pylist()) == in_order([*kept, after])


def test_a_row_that_differs_in_an_added_column_alone_is_merged(tmp_path: Path) -> None:
    table = TABLES["retention_cohorts"]
    row = grown_row(table, 1)
    before = {name: value for name, value in row.items() if name in earlier(table).column_names}
    warehouse = written(tmp_path, table, [before])
    warehouse.commit([change(table, How.MERGE, str(tmp_path), [row])], "now")
    assert warehouse.read(table).to_pylist() == [row]


def test_columns_and_indexes_of_a_person_are_no_obstacle(tmp_path: Path) -> None:
    warehouse = written(tmp_path, DRIVERS, [filled(earlier(DRIVERS))])
    with duckdb.connect(str(tmp_path / "growth.duckdb")) as connection:
        connection.execute("ALTER TABLE growth_drivers ADD COLUMN note VARCHAR DEFAULT 'mine'")
        connection.execute("CREATE INDEX days ON growth_drivers (event_date)")
    after = grown_row(DRIVERS, 2)
    warehouse.commit([change(DRIVERS, How.MERGE, str(tmp_path), [after])], "now")
    assert after in warehouse.read(DRIVERS).to_pylist()
