"""Files that the pipeline writes, opened by the DuckDB of other tools: 1.4.4 and 1.5.5."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.emulators.conftest import required
from tests.emulators.install import BIN, OLD_DUCKDB, missing_old_duckdb
from tests.support.staging import Row, change, filled
from transforms.contract import Table
from transforms.marts.registry import ALL_TABLES
from transforms.state.registry import STATE_TABLES

EVERY_TABLE = (*ALL_TABLES, *STATE_TABLES.values())

# Reads all that is in the file: tables, their descriptions, views, indexes, the macro.
_LOOK = """
import duckdb, json, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
ask = lambda statement: connection.execute(statement).fetchall()
names = sorted(name for (name,) in ask("SELECT table_name FROM duckdb_tables()"))
print(json.dumps({
    "version": duckdb.__version__,
    "rows": {name: ask(f'SELECT * FROM "{name}" ORDER BY ALL') for name in names},
    "comments": ask("SELECT count(comment) FROM duckdb_columns() WHERE NOT internal")[0][0],
    "types": ask("SELECT growth_active_event_types()")[0][0],
    "mine": ask("SELECT count(country) FROM of_mine")[0][0],
    "indexes": ask("SELECT index_name FROM duckdb_indexes()"),
}, default=str))
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file after a replacement, a merge and a replacement, with a view and an index in it."""
    folder = tmp_path_factory.mktemp("old")
    path = folder / "growth.duckdb"
    warehouse = open_warehouse(f"duckdb:///{path}")
    for number, how in enumerate(
        (WriteDisposition.REPLACE, WriteDisposition.MERGE, WriteDisposition.REPLACE)
    ):
        with warehouse.lock(EVERY_TABLE, None, f"run_{number}") as staging:
            tables = [t for t in EVERY_TABLE if how is WriteDisposition.REPLACE or t.primary_key]
            changes = [change(table, how, staging, rows(table, number)) for table in tables]
            warehouse.commit(changes, f"run_{number}")
        if number == 0:
            with duckdb.connect(str(path)) as connection:
                # As an earlier version made the table, when somebody made a view of it.
                connection.execute("ALTER TABLE fct_events DROP COLUMN country")
                connection.execute("CREATE VIEW mine AS SELECT * FROM fct_events")
                connection.execute("CREATE VIEW of_mine AS SELECT * FROM mine")
                connection.execute("CREATE TABLE gone (x INTEGER)")
                connection.execute("CREATE VIEW a_broken_one AS SELECT * FROM gone")
                connection.execute("DROP TABLE gone")
                connection.execute("CREATE MACRO growth_active_event_types() AS 'share,like'")
                connection.execute("CREATE INDEX by_user ON fct_events (user_id)")
    return path


def rows(table: Table, number: int) -> list[Row]:
    """Some thousand rows, so that columns are compressed; keys differ."""
    return [
        filled(
            table,
            **dict.fromkeys(("event_id", "user_id", "dead_letter_id", "check_id"), f"{at:032x}"),
            event_date=date.fromordinal(738_000 + at % 500),
            country=("SG", "DE")[at % 2],
        )
        for at in range(number, number + 3_000)
    ]


@pytest.mark.parametrize("version", ["1.4.4", "1.5.5"])
def test_an_older_duckdb_reads_all_that_is_in_the_file(database: Path, version: str) -> None:
    required(missing_old_duckdb())
    path = {"PYTHONPATH": str(OLD_DUCKDB)} if version == "1.4.4" else {}
    look = subprocess.run(
        [str(BIN / "python"), "-c", _LOOK, str(database)],
        env={**os.environ, "PYTHONPATH": "", **path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert look.returncode == 0, look.stderr
    found = json.loads(look.stdout)
    assert found["version"] == version
    with duckdb.connect(str(database), read_only=True) as connection:
        ours = {
            table.name: connection.execute(f"SELECT * FROM {table.name} ORDER BY ALL").fetchall()
            for table in EVERY_TABLE
        }
    assert found["rows"] == json.loads(json.dumps(ours, default=str))
    assert found["comments"] == sum(len(table.columns) for table in EVERY_TABLE)
    assert found["types"] == "share,like"
    assert found["mine"] == 3_000
    assert found["indexes"] == [["by_user"]]
