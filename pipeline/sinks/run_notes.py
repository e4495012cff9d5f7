"""Rows of a run in the state tables, on their way there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.sinks.ended_runs import has_ended
from pipeline.sinks.run_rows import how_far, rows_of_state
from pipeline.terminal import printable
from pipeline.warehouse import Warehouse
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import Run, RunState
from transforms.state.registry import STATE_TABLES

_log = logging.getLogger(__name__)
_NOT_NOTED: Final = f"Nor can {pipeline_runs.TABLE.name} say so"


def staged_state(rows: Mapping[str, pa.Table], folder: str, layout: FileLayout) -> list[StagedFile]:
    """Rows of state tables, by their names, as staged files."""
    staged: list[StagedFile] = []
    for name, its_rows in rows.items():
        files = StagedFiles(STATE_TABLES[name], folder, layout)
        files.write(its_rows)
        staged += files.close()
    return staged


def staged_run(state: RunState, folder: str, layout: FileLayout) -> Change:
    """The row of a run, staged, as a change of pipeline_runs."""
    files = staged_state(rows_of_state(state), folder, layout)
    return Change(pipeline_runs.TABLE, WriteDisposition.MERGE, files)


@contextmanager
def failure_noted(warehouse: Warehouse, run: Run, folder: str) -> Iterator[None]:
    """Note in pipeline_runs how a run fails inside, unless its own commit has done so.

    Args:
        warehouse: that of the run, which holds it.
        run: the run.
        folder: where it stages.
    """
    try:
        yield
    except OptionError:  # A command line that can't be right is no run.
        raise
    except Exception as error:
        message = clear_message(error) or type(error).__name__
        record_failure(warehouse, how_far(run, "failed", message=message), folder, error)
        raise


def record_end(warehouse: Warehouse, state: RunState, folder: str) -> None:
    """Note how a run has ended whose own commits have not, where there are tables at all.

    What goes wrong is a warning: the run has ended all the same.

    Args:
        warehouse: that of the run, which still holds it.
        state: how it ended.
        folder: where the run stages.
    """
    try:
        _record(warehouse, state, folder)
    except RunError as error:
        _log.warning(
            "how the run ended can't be noted in %s: %s",
            *(pipeline_runs.TABLE.name, printable(str(error))),
        )


def record_failure(warehouse: Warehouse, state: RunState, folder: str, failure: Exception) -> None:
    """As `record_end`, of a run that fails: what goes wrong is said by a note of its error.

    Most often the cause is the same, so the note does without: it is logged as information.

    Args:
        warehouse: that of the run, which still holds it.
        state: how it ended.
        folder: where the run stages.
        failure: why; gets the note, once.
    """
    try:
        _record(warehouse, state, folder)
    except RunError as error:
        _log.info("%s: %s", _NOT_NOTED, printable(str(error)))
        if _NOT_NOTED not in getattr(failure, "__notes__", ()):
            failure.add_note(_NOT_NOTED)


def _record(warehouse: Warehouse, state: RunState, folder: str) -> None:
    run = state.run.run_id
    if warehouse.present() and not has_ended(warehouse, run):
        change = staged_run(state, folder, warehouse.capabilities.layout)
        warehouse.commit([change], f"{run}_{state.outcome}")
