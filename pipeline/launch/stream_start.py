"""What a stream begins with: the state that the tables of its warehouse are."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from pipeline.graphs.staged_forgotten import known_forgotten
from pipeline.graphs.staged_people import known_by_tables
from pipeline.graphs.streaming_graph import STREAMED, StreamJob
from pipeline.launch.new_files import holds_anything
from pipeline.launch.rules_of_run import rules_of_run, rules_to_add
from pipeline.launch.state_of_tables import state_of, without_state
from pipeline.launch.tables_built import first_types, types_of_tables
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.flush_state import Totals
from pipeline.sinks.run_notes import staged_state
from pipeline.sinks.run_rows import how_far, rows_of_run
from pipeline.warehouse import Warehouse
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.rules.model import Rules


def warm(job: StreamJob, asked: AskedFigures | None) -> tuple[StreamJob, Totals]:
    """A stream on this machine that goes on from what its warehouse holds, and the sums that it
    begins with.

    Args:
        job: the stream, which holds the warehouse.
        asked: what the command line says of event types; None for those of the tables.

    Raises:
        OptionError, RunError: as `begun_with` does.
    """
    types, before = begun_with(job.warehouse, asked)
    found = replace(
        job,
        figures=types,
        forgotten=known_forgotten(job.warehouse),
        people=known_by_tables(job.warehouse),
    )
    return found, before or Totals()


def rules_of_stream(warehouse: Warehouse, asked: str | None) -> Rules | None:
    """The rules by which a stream reads its messages: those of the tables that it goes on from, or
    where these hold nothing those that it is told.

    Args:
        warehouse: where the tables are.
        asked: what --rules says; None where it says nothing.

    Raises:
        OptionError: if the file is wrong, or the tables were built with other rules.
        RunError: if the warehouse can't be read.
    """
    rules = rules_of_run(warehouse, asked)
    if asked is None or not holds_anything(warehouse):
        return rules
    return rules_to_add(warehouse, rules, asked)


def begun_with(
    warehouse: Warehouse, asked: AskedFigures | None
) -> tuple[FigureSettings, Totals | None]:
    """The event types and the sums that a stream begins with; no sums where there is nothing yet.

    Args:
        warehouse: its tables.
        asked: what the command line says of event types; None for those of the tables.

    Raises:
        OptionError: if the tables were built with other event types.
        RunError: if the warehouse has no state that fits its tables, or can't be read.
    """
    with warehouse.kept_open():
        if not holds_anything(warehouse):
            return first_types(asked), None
        types, state = types_of_tables(warehouse, asked), state_of(warehouse)
    if types is None:
        raise without_state(warehouse, "does not say which event types make a user active")
    written_at = pa.scalar(state.written_at, pa.timestamp("us"))
    return types, Totals(counters=state.counters, written_at_us=written_at.value)


def note_beginning(job: StreamJob) -> None:
    """See that all tables are there, and note that a stream is at work.

    Args:
        job: the stream, which holds the warehouse, as `warm` gives it.

    Raises:
        RunError: if the warehouse can't be written.
    """
    noted = rows_of_run(how_far(job.noted, "running"))
    staged = staged_state(noted, job.staging, job.warehouse.capabilities.layout)
    changes = CommitPlan.adding(STREAMED).changes(staged)
    present = job.warehouse.present() or set()
    changes = [change for change in changes if change.staged or change.table.name not in present]
    job.warehouse.commit(changes, f"{job.run}_0")
