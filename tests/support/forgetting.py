"""A warehouse as a batch run leaves it, made by the kernels alone; forgetting; and what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from pipeline import __version__
from pipeline.forget.forget_job import ForgetJob, forget, new_job
from pipeline.forget.forget_report import ForgetReport
from pipeline.graphs.batch_job import written
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.run_ids import new_run
from pipeline.warehouse.staged_files import StagedFiles
from tests.support.staging import in_order
from tests.support.tables import LIMITS, NOW, WRITTEN_AT, Row, compute, csv_text
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.contributions import contributions
from transforms.kernels.messages import Message
from transforms.kernels.parse import Parsed, parse_records
from transforms.kernels.sessions import sort_events
from transforms.kernels.single_records import read_records
from transforms.kernels.timelines import timelines
from transforms.marts import dead_letter_events
from transforms.marts.registry import ALL_TABLES, CORRECTIONS, RESULTS
from transforms.state import growth_counters, user_timelines, warehouse_settings
from transforms.state.registry import STATE_TABLES

LATER: Final = datetime(2026, 1, 2)
_ALL: Final = {table.name: table for table in (*ALL_TABLES, CORRECTIONS, *STATE_TABLES.values())}
# What runs differ in, and what is not of events.
_NOTES: Final = (
    "loaded_files",
    "pipeline_runs",
    "warehouse_settings",
    "forgotten_users",
    "known_people",
    "excluded_users",
)


def parsed(rows: Sequence[Row]) -> Parsed:
    """Rows read one by one, so that their places say nothing of the others."""
    messages = [
        Message(csv_text([item]).splitlines(keepends=True)[1], {"content_type": "text/csv"}, "0")
        for item in rows
    ]
    return parse_records(read_records(messages, "a.csv"), NOW, LIMITS)


def tables_of(rows: Sequence[Row], types: FigureSettings) -> dict[str, pa.Table]:
    """All tables that follow from rows, with their state."""
    return tables_from(parsed(rows), "a.csv", types)


def tables_from(found: Parsed, source: str, types: FigureSettings) -> dict[str, pa.Table]:
    """All tables that follow from what was parsed of a source, with their state."""
    lives = timelines(sort_events([found.events]))
    return {
        **compute([found.events], types.names),
        "dead_letter_events": dead_letter_events.rows(found.rejections, source, NOW, __version__),
        "user_timelines": user_timelines.rows(lives, WRITTEN_AT),
        "growth_counters": growth_counters.rows(contributions(lives, types.codes), WRITTEN_AT),
    }


def fill(
    warehouse: Warehouse,
    temp: str | None,
    tables: Mapping[str, pa.Table],
    types: FigureSettings,
    run: str | None = None,
) -> None:
    """Replace tables, as a batch does."""
    run = run or new_run(NOW)
    settings = {warehouse_settings.ACTIVE_EVENT_TYPES: str(types)}
    noted = {warehouse_settings.TABLE.name: warehouse_settings.rows(settings, NOW)}
    with warehouse.lock(written("enforce"), temp, run) as folder:
        changes = []
        for name, table in _ALL.items():
            rows = {**tables, **noted}.get(name)
            files = StagedFiles(table, folder, warehouse.capabilities.layout)
            if rows is not None and rows.num_rows:
                files.write(rows)
            changes.append(Change(table, WriteDisposition.REPLACE, list(files.close())))
        warehouse.commit(changes, run)


def job_of(
    warehouse: Warehouse,
    users: Collection[str],
    types: FigureSettings,
    pseudonymise: bool = False,
) -> ForgetJob:
    """A job that forgets some users."""
    ids = pa.array(sorted(users), pa.string())
    return new_job(warehouse, ids, new_run(LATER), LATER, types, pseudonymise)


def forgotten(
    warehouse: Warehouse, temp: str | None, users: Collection[str], types: FigureSettings
) -> ForgetReport:
    """Forget some users."""
    return forget(job_of(warehouse, users, types), temp)


def held(warehouse: Warehouse) -> dict[str, list[dict[str, Any]]]:
    """By name the rows of all tables that follow from events, but for their moments of writing."""
    with warehouse.kept_open():
        return {
            name: plain(table, warehouse.read(table))
            for name, table in _ALL.items()
            if name not in (*_NOTES, RESULTS.name, CORRECTIONS.name)
        }


def plain(table: Table, rows: pa.Table) -> list[dict[str, Any]]:
    """Rows in some order that they all have, without their moments of writing."""
    left_out = {table.written_at, "processed_at"}
    return in_order(
        [
            {name: value for name, value in row.items() if name not in left_out}
            for row in rows.to_pylist()
        ]
    )


def expected(tables: Mapping[str, pa.Table]) -> dict[str, list[dict[str, Any]]]:
    """The same of tables in memory."""
    return {name: plain(_ALL[name], rows) for name, rows in tables.items()}
