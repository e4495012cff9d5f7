"""A batch with other settings than the tables says so before it replaces them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from pipeline.launch.tables_built import first_types, warn_of_other_types
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.support.staging import change
from transforms.figure_settings import FigureSettings
from transforms.reckoning import Reckoning
from transforms.state import warehouse_settings
from transforms.state.warehouse_settings import noted_figures


def test_other_active_types_than_the_tables_have_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    warn_of_other_types(warehouse, FigureSettings())
    settings = {warehouse_settings.ACTIVE_EVENT_TYPES: "share"}
    rows = warehouse_settings.rows(settings, datetime(2026, 1, 1)).to_pylist()
    noted = change(warehouse_settings.TABLE, WriteDisposition.REPLACE, str(tmp_path), rows)
    warehouse.commit([noted], "run")
    warn_of_other_types(warehouse, FigureSettings(("share",)))
    assert not caplog.messages
    warn_of_other_types(warehouse, FigureSettings(("share", "like")))
    assert caplog.messages == [
        "the tables were built with --active_event_types share; this run builds them with "
        "share,like, which changes every figure of active users"
    ]


def test_another_zone_than_that_of_the_tables_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    local = FigureSettings(reckoning=Reckoning("Asia/Singapore"))
    rows = warehouse_settings.rows(noted_figures(local), datetime(2026, 1, 1)).to_pylist()
    noted = change(warehouse_settings.TABLE, WriteDisposition.REPLACE, str(tmp_path), rows)
    warehouse.commit([noted], "run")
    warn_of_other_types(warehouse, local)
    warn_of_other_types(warehouse, first_types(None, warehouse))
    assert not caplog.messages
    warn_of_other_types(warehouse, FigureSettings())
    (message,) = caplog.messages
    assert message == (
        "the tables were built with dates in Asia/Singapore; this run builds them with dates in UTC"
    )
