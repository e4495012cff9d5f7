"""A batch with other active event types than the tables says so before it replaces them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from pipeline.launch.tables_built import warn_of_other_types
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import WriteDisposition
from tests.support.staging import change
from transforms.figure_settings import FigureSettings
from transforms.state import warehouse_settings


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
