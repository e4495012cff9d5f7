"""Rows of a DuckDB file that are looked up by keys."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import RunError
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.lookups import Lookup
from tests.support.lookups import COLUMNS, EVENTS, KEYS, check_lookups
from tests.support.staging import stage


def test_rows_are_found_by_their_keys(tmp_path: Path) -> None:
    check_lookups(open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb"), None, "run")


def test_only_partitions_of_the_keys_are_read(tmp_path: Path) -> None:
    keys = [{"user_id": "ann", "event_date": date(2024, month, 1)} for month in (1, 3)]
    files = stage(KEYS, keys, str(tmp_path))
    found = Lookup(EVENTS, COLUMNS, ("user_id", "event_date"), KEYS, files)
    assert found.partitions == [19723, 19783]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    warehouse = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    keys = KEYS.arrow_schema.empty_table()
    with warehouse.lock((), None, "run"):
        warehouse.commit([], "run")
        with pytest.raises(RunError, match="fct_events"):
            warehouse.rows_with(EVENTS, COLUMNS, keys)
