"""The report's strip about the data itself: how far it reaches, what was left out, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.alerts.freshness import Freshness, freshness
from pipeline.launch.noted_runs import runs_of_warehouse
from pipeline.paths import typed_program
from pipeline.report.in_words import number
from pipeline.warehouse import TableReader
from pipeline.warehouse.noted_settings import reckoning_of_tables
from transforms.contract import Table
from transforms.kernels.run_counts import RunCounts
from transforms.marts import (
    data_quality_results,
    dead_letter_events,
    fct_events,
    growth_drivers,
)
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import RunState


@dataclass(frozen=True)
class Fact:
    """One thing that is known of the data.

    Attributes:
        name: what it is.
        value: in words.
        note: what more there is to say of it.
        needs_care: whether a person should look at it.
    """

    name: str
    value: str
    note: str = ""
    needs_care: bool = False


def about_data(warehouse: TableReader, now: datetime) -> list[Fact]:
    """What is known of a warehouse's data, from counts alone.

    Args:
        warehouse: with the marts.
        now: in UTC without a zone.

    Raises:
        RunError: if it can't be read.
    """
    present = warehouse.present() or set()
    runs = runs_of_warehouse(warehouse) if pipeline_runs.TABLE.name in present else []
    done = next((state for state in runs if state.outcome == "done"), None)
    events = _only(warehouse, "SUM(total_daily_events)", growth_drivers.TABLE)["value"] or 0
    facts = [Fact("Events", number(events))]
    if fct_events.TABLE.name in present:
        facts.insert(0, _through(freshness(warehouse, now)))
    if said := reckoning_of_tables(warehouse).said:
        facts.append(Fact("Dates and weeks", said))
    if dead_letter_events.TABLE.name in present:
        facts.append(_dead_letters(warehouse, events))
    if done and done.counts:
        facts.append(_last_counts(done.counts))
    if data_quality_results.TABLE.name in present:
        facts.append(_checks(warehouse, runs))
    if runs:
        facts.append(_run(runs[0]))
    return facts


def _through(found: Freshness) -> Fact:
    if found.newest is None:
        return Fact("Events through", "none")
    age = found.line.rpartition(", ")[2]
    return Fact("Events through", f"{found.newest:%Y-%m-%d %H:%M:%S} UTC", age)


def _dead_letters(warehouse: TableReader, events: int) -> Fact:
    table = dead_letter_events.TABLE
    (rows,) = warehouse.ask(
        [
            f"SELECT error_type, COUNT(*) AS found FROM {warehouse.source(table)} "
            "GROUP BY error_type ORDER BY found DESC, error_type"
        ]
    )
    total = sum(row["found"] for row in rows)
    kinds = ", ".join(f"{row['error_type']} {number(row['found'])}" for row in rows[:3])
    more = f", {len(rows) - 3} more kinds" if len(rows) > 3 else ""
    # A source of which every twentieth row is wrong has changed.
    return Fact("Dead letters", number(total), f"{kinds}{more}", total > 0.05 * (events + total))


def _last_counts(counts: RunCounts) -> Fact:
    return Fact(
        "Input rows of the last run that ended well",
        number(counts.input_rows),
        f"{number(counts.events)} events, {number(counts.duplicates)} duplicates, "
        f"{number(counts.rejected)} dead letters",
    )


def _checks(warehouse: TableReader, runs: Sequence[RunState]) -> Fact:
    """Those of the last run that evaluated some; one that failed has left the tables alone."""
    table = data_quality_results.TABLE
    found = _only(
        warehouse,
        "COUNTIF(status = 'fail' AND severity = 'error') AS errors, "
        "COUNTIF(status = 'fail' AND severity <> 'error') AS warnings, MAX(run_id) AS run_id, "
        "COUNT(*)",
        table,
        f"checked_at = (SELECT MAX(checked_at) FROM {warehouse.source(table)})",
    )
    total, errors, warnings = (int(found[name] or 0) for name in ("value", "errors", "warnings"))
    if not total:
        return Fact("Checks", "none were run", "", needs_care=True)
    failed = errors + warnings
    changed_nothing = any(
        state.run.run_id == found["run_id"] and state.outcome == "failed" for state in runs
    )
    return Fact(
        "Checks of a run that failed: the tables are as before it"
        if changed_nothing
        else "Checks of the last run",
        f"{number(failed)} failed" if failed else f"all {number(total)} passed",
        f"{number(errors)} of severity error, of {number(total)}" if failed else "",
        errors > 0,
    )


def _run(state: RunState) -> Fact:
    run = state.run
    # Its message may quote a row, and a page is mailed.
    has_failed = state.outcome == "failed"
    why = f"; why stands in {typed_program()} runs" if has_failed and state.message else ""
    return Fact(
        "Last run",
        f"{run.command}, {state.outcome}",
        f"began {run.started_at:%Y-%m-%d %H:%M} UTC, version {run.version}, {run.run_id}{why}",
        has_failed,
    )


def _only(
    warehouse: TableReader, columns: str, table: Table, condition: str = "TRUE"
) -> Mapping[str, Any]:
    """The one row of an aggregate; what has no name of its own is `value`."""
    ((row,),) = warehouse.ask(
        [f"SELECT {columns} AS value FROM {warehouse.source(table)} WHERE {condition}"]
    )
    return row
