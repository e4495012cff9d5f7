"""All checks of tables that are there already, by SQL that the warehouse runs."""

from __future__ import annotations

import time
from datetime import datetime

from pipeline.alerts.bounds import Alerts
from pipeline.alerts.freshness import Freshness, freshness
from pipeline.alerts.telling import tell
from pipeline.alerts.watching import failed_run, misfit_found, run_done
from pipeline.display.check_summary import show_checks
from pipeline.errors import RunError
from pipeline.launch.state_fit import misfit
from pipeline.launch.tables_built import types_of_tables
from pipeline.paths import typed_command
from pipeline.terminal import print_error
from pipeline.warehouse import TableReader, Warehouse
from pipeline.warehouse.presence import refuse_missing
from transforms.data_error import DataError
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts.registry import TABLES, all_checks
from transforms.quality.planning import without_columns
from transforms.quality.pushdown import evaluate
from transforms.quality.results import Result, errors
from transforms.quality.trial import refuse_wrong


def check_tables(
    warehouse: Warehouse,
    now: datetime,
    asked: AskedFigures | None = None,
    max_age_hours: float | None = None,
    alerts: Alerts | None = None,
) -> None:
    """Evaluate all checks of a warehouse's tables and print what fails.

    Args:
        warehouse: where the tables are.
        now: in UTC without a zone.
        asked: what is said of their event types.
        max_age_hours: how old the newest event may be; None for any age.
        alerts: what is to be told, and whom; None for nothing.

    Raises:
        OptionError: if other event types are named than the tables were built with.
        RunError: if the warehouse or a table is missing or can't be read, an error check fails,
            the state is not that of the marts, or the newest event is too old.
        DataError: if a check can't be evaluated.
    """
    try:
        with warehouse.kept_open():
            results, newest = _checked(warehouse, now, asked)
            difference = misfit(warehouse)
    except (RunError, DataError):
        if alerts is not None:
            tell(alerts, warehouse, now, also=[failed_run("check")])
        raise
    failed = errors(results)
    if alerts is not None:
        evaluated = {result.check.check_id: result in failed for result in results}
        tell(alerts, warehouse, now, evaluated, [run_done("check"), misfit_found(difference)])
    problems = [
        _failure(failed, warehouse.url),
        difference,
        None if max_age_hours is None else newest.refusal(max_age_hours),
    ]
    if any(problems):
        raise RunError("; and ".join(problem for problem in problems if problem))


def _checked(
    warehouse: Warehouse, now: datetime, asked: AskedFigures | None
) -> tuple[list[Result], Freshness]:
    """Evaluate all checks, and print what they come to and how old the newest event is."""
    refuse_missing(warehouse, list(TABLES))
    active = types_of_tables(warehouse, asked) or FigureSettings()
    missing = _missing_columns(warehouse)
    started = time.monotonic()
    checks = all_checks(active)
    here = without_columns(checks, missing)
    try:
        results = evaluate(here, TABLES, lambda name: warehouse.source(TABLES[name]), warehouse.ask)
    except RunError:
        refuse_wrong(here, TABLES)
        raise
    reported = [result.reported() for result in results]
    evaluated = {result.check.check_id for result in results}
    left_out = [check for check in here if check.check_id not in evaluated]
    newest = freshness(warehouse, now)
    show_checks(reported, left_out, newest.line, warehouse, time.monotonic() - started)
    if missing:
        print_error(
            f"{len(checks) - len(here):,} checks were left out: an earlier version wrote these "
            f"tables, and they lack {', '.join(f'{t}.{c}' for t, c in missing)}. The next run that "
            "writes the tables adds them"
        )
    return results, newest


def _missing_columns(warehouse: TableReader) -> list[tuple[str, str]]:
    """(table, column) of those added columns that no run has given the tables yet.

    Raises:
        RunError: if a table lacks a column that it had from the beginning.
    """
    columns = warehouse.columns(list(TABLES.values()))
    gone = [
        (table, column)
        for table in TABLES.values()
        for column in table.columns
        if column.name not in columns.get(table.name, ())
    ]
    lost = [f"{table.name}.{column.name}" for table, column in gone if not column.is_added]
    if lost:
        raise RunError(
            f"{warehouse.url} holds tables without columns that the checks read: "
            f"{', '.join(lost)}. Somebody has dropped them: build the tables again with python -m "
            "pipeline batch"
        )
    return [(table.name, column.name) for table, column in gone]


def _failure(failed: list[Result], url: str) -> str | None:
    if not failed:
        return None
    count = "1 check" if len(failed) == 1 else f"{len(failed):,} checks"
    return (
        f"{count} of severity error failed, as shown above: the tables are not what the events "
        f"make of them. Build them again with {typed_command('rebuild', url)}, or from the "
        f"source files with {typed_command('batch', url)} where fct_events itself is wrong; where "
        "a check fails again report it as a bug"
    )
