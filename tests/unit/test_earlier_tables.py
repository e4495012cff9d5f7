"""DuckDB tables that an earlier version wrote take the columns that were added since."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import RunError
from pipeline.launch.check_launch import check_tables
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.support.quality import CHECKS
from tests.support.reading import reading
from tests.support.staging import Row, change, filled, in_order
from tests.support.tables import NOW, compute, csv_text, parse, row
from tests.support.thorough import paired
from transforms.contract import INTEGER, Table
from transforms.marts.registry import ALL_TABLES, TABLES

pytestmark = pytest.mark.usefixtures("described")

GROWN = [table for table in ALL_TABLES if any(column.is_added for column in table.columns)]
DRIVERS = TABLES["growth_drivers"]


def earlier(table: Table) -> Table:
    """The contract before columns were added."""
    columns = tuple(column for column in table.columns if not column.is_added)
    return replace(table, columns=columns, checks=())


def written(folder: Path, table: Table, rows: list[Row]) -> Warehouse:
    """A warehouse in which an earlier version wrote some rows of a table."""
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    warehouse.commit(
        [change(earlier(table), WriteDisposition.REPLACE, str(folder), rows)], "earlier"
    )
    return warehouse


def columns_of(folder: Path, table: Table) -> list[tuple[str, str, bool]]:
    """Names, comments and whether NULL is allowed, in order."""
    with reading(folder / "growth.duckdb") as connection:
        return connection.execute(
            "SELECT column_name, comment, is_nullable FROM duckdb_columns() WHERE table_name = ? "
            "ORDER BY column_index",
            [table.name],
        ).fetchall()


def grown_row(table: Table, day: int) -> Row:
    added = {c.name: 3 if c.type is INTEGER else True for c in table.columns if c.is_added}
    dates = {c.name: date(2024, 1, day) for c in table.columns if c.type.value == "DATE"}
    users = {name: f"user {day}" for name in table.primary_key if name == "user_id"}
    return filled(table, **dates, **users, **added)


@pytest.mark.parametrize(
    ("table", "how"),
    paired(GROWN, list(WriteDisposition)),
    ids=lambda part: part.name,
)
def test_an_earlier_table_takes_added_columns(
    tmp_path: Path, table: Table, how: WriteDisposition
) -> None:
    before, after = filled(earlier(table)), grown_row(table, 2)
    warehouse = written(tmp_path, table, [before])
    warehouse.check([table], None)
    warehouse.commit([change(table, how, str(tmp_path), [after])], "now")
    assert columns_of(tmp_path, table) == [
        (column.name, column.description, not column.required) for column in table.columns
    ]
    kept = (
        [] if how is WriteDisposition.REPLACE else [{**dict.fromkeys(table.column_names), **before}]
    )
    assert in_order(warehouse.read(table).to_pylist()) == in_order([*kept, after])


def test_a_row_that_differs_in_an_added_column_alone_is_merged(tmp_path: Path) -> None:
    table = TABLES["retention_cohorts"]
    row = grown_row(table, 1)
    before = {name: value for name, value in row.items() if name in earlier(table).column_names}
    warehouse = written(tmp_path, table, [before])
    warehouse.commit([change(table, WriteDisposition.MERGE, str(tmp_path), [row])], "now")
    assert warehouse.read(table).to_pylist() == [row]


def whole(folder: Path) -> Warehouse:
    """All tables of some events, as an earlier version wrote them."""
    days = ("2025-10-05", "2025-11-05", "2025-12-01")
    rows = [row(f"{day}T10:00:00Z", user) for day in days for user in ("ann", "bob")]
    dead_letters = TABLES["dead_letter_events"].arrow_schema.empty_table()
    tables = {
        **compute([p.events for p in parse(csv_text(rows))]),
        "dead_letter_events": dead_letters,
    }
    warehouse = open_warehouse(f"duckdb:///{folder}/growth.duckdb")
    changes = [
        change(
            earlier(TABLES[name]),
            WriteDisposition.REPLACE,
            str(folder),
            rows_of.select(earlier(TABLES[name]).column_names).to_pylist(),
        )
        for name, rows_of in tables.items()
    ]
    warehouse.commit(changes, "earlier")
    return warehouse


def test_what_earlier_tables_can_answer_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_tables(whole(tmp_path), NOW)
    output = capsys.readouterr()
    passed = int(output.out.split(" passed")[0].split()[-1])
    left_out = int(output.err.split(" checks were left out")[0])
    # Besides, one check compares with what only a run counts.
    assert passed + left_out + 1 == len(CHECKS)
    assert 20 < left_out < 50
    assert "they lack dim_users.active_days, dim_users.active_days_28d, " in output.err
    assert " social_capital_growth_accounting.is_complete, " in output.err
    assert "growth_drivers.new_other_users" in output.err


def test_a_column_that_was_always_there_is_missed(tmp_path: Path) -> None:
    warehouse = whole(tmp_path)
    with duckdb.connect(str(tmp_path / "growth.duckdb")) as connection:
        connection.execute("ALTER TABLE growth_metrics DROP COLUMN dau_growth")
    with pytest.raises(
        RunError, match=r"without columns that the checks read: growth_metrics\.dau_growth\."
    ):
        check_tables(warehouse, NOW)


def test_columns_and_indexes_of_a_person_are_no_obstacle(tmp_path: Path) -> None:
    warehouse = written(tmp_path, DRIVERS, [filled(earlier(DRIVERS))])
    with duckdb.connect(str(tmp_path / "growth.duckdb")) as connection:
        connection.execute("ALTER TABLE growth_drivers ADD COLUMN note VARCHAR DEFAULT 'mine'")
        connection.execute("CREATE INDEX days ON growth_drivers (event_date)")
    after = grown_row(DRIVERS, 2)
    warehouse.commit([change(DRIVERS, WriteDisposition.MERGE, str(tmp_path), [after])], "now")
    assert after in warehouse.read(DRIVERS).to_pylist()
