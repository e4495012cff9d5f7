"""What is said where a run can't be noted in pipeline_runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.sinks.run_notes import failure_noted, record_end
from pipeline.sinks.run_rows import how_far
from pipeline.warehouse.changes import Change
from pipeline.warehouse.duckdb import DuckDBWarehouse
from transforms.contract import Table
from transforms.state.pipeline_runs import TABLE, Run

RUN = Run("run_1", "batch", "0.2.0", datetime(2024, 1, 1))


class Refusing(DuckDBWarehouse):
    """A warehouse with tables that takes no more rows."""

    tried = 0

    def present(self) -> set[str]:
        return {TABLE.name}

    def count(self, table: Table) -> int | None:
        return None

    def commit(self, changes: Sequence[Change], run: str) -> None:
        self.tried += 1
        raise RunError("the disk is full")


@pytest.fixture
def warehouse(tmp_path: Path) -> Refusing:
    return Refusing(str(tmp_path / "growth.duckdb"), "duckdb:///growth.duckdb")


def fail(warehouse: Refusing, folder: Path, error: Exception) -> str | None:
    """What is printed of a run that fails so."""
    with pytest.raises(type(error)) as raised:  # noqa: SIM117
        with failure_noted(warehouse, RUN, str(folder)):
            raise error
    assert raised.value is error
    return clear_message(error)


def test_a_failure_that_can_t_be_noted_is_one_line_that_says_so(
    warehouse: Refusing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = "no input row. Nor can pipeline_runs say so"
    error = RunError("no input row")
    with caplog.at_level(logging.INFO):
        assert fail(warehouse, tmp_path, error) == expected
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "Nor can pipeline_runs say so: the disk is full")
    ]
    assert fail(warehouse, tmp_path, error) == expected
    wrapped = RuntimeError("RunError: no input row [while running 'ReadCsv']")
    assert fail(warehouse, tmp_path, wrapped) == expected
    assert warehouse.tried == 3


def test_a_bug_s_traceback_says_so_too(warehouse: Refusing, tmp_path: Path) -> None:
    error = ValueError("a bug")
    assert fail(warehouse, tmp_path, error) is None
    assert error.__notes__ == ["Nor can pipeline_runs say so"]


def test_a_wrong_option_is_not_noted(warehouse: Refusing, tmp_path: Path) -> None:
    fail(warehouse, tmp_path, OptionError("--input: no file"))
    assert warehouse.tried == 0


def test_a_good_end_that_can_t_be_noted_is_a_warning(
    warehouse: Refusing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record_end(warehouse, how_far(RUN, "done"), str(tmp_path))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "how the run ended can't be noted in pipeline_runs: the disk is full")
    ]
