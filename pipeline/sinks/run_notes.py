"""Rows of a run in the state tables, on their way there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError, RunError, clear_message
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.loaded_inputs import fingerprint_to_store
from pipeline.sinks.ended_runs import has_ended
from pipeline.sinks.run_rows import how_far, rows_of_run, rows_of_state
from pipeline.terminal import printable
from pipeline.warehouse import Warehouse
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.state import loaded_files, pipeline_runs
from transforms.state.pipeline_runs import Run, RunState
from transforms.state.registry import STATE_TABLES

_log = logging.getLogger(__name__)
_NOT_NOTED: Final = f"Nor can {pipeline_runs.TABLE.name} say so"
NOTED: Final = f"No table was touched but {pipeline_runs.TABLE.name}, which says so"
_UNTOUCHED: Final = "No table was touched"


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


def staged_notes(state: RunState, folder: str, layout: FileLayout) -> list[Change]:
    """The row of a run and the settings that all runs share, staged, as changes."""
    return [
        Change(
            STATE_TABLES[name], WriteDisposition.MERGE, staged_state({name: rows}, folder, layout)
        )
        for name, rows in rows_of_run(state).items()
    ]


def note_written_anew(
    warehouse: Warehouse, files: Sequence[InputFile], run: str, folder: str
) -> None:
    """Note in loaded_files that files were written since they were loaded, and hold the same, so
    that the next run need not read them.

    Args:
        warehouse: that of the run, which holds it.
        files: as they are now.
        run: the run's id.
        folder: where it stages.

    Raises:
        RunError: if it can't be noted.
    """
    table = loaded_files.TABLE
    now = {file.path: fingerprint_to_store(file) for file in files}
    rows = warehouse.read(table)
    rows = rows.filter(pc.is_in(rows["path"], pa.array(list(now), pa.string())))
    place = rows.schema.get_field_index("fingerprint")
    found = pa.array([now[path] for path in rows["path"].to_pylist()], pa.string())
    rows = rows.set_column(place, rows.schema.field(place), found)
    staged = staged_state({table.name: rows}, folder, warehouse.capabilities.layout)
    warehouse.commit([Change(table, WriteDisposition.MERGE, staged)], f"{run}_files")


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


@contextmanager
def refusal_noted(warehouse: Warehouse, run: Run) -> Iterator[None]:
    """Note in pipeline_runs that a run is refused inside, before it holds the warehouse.

    Its error gets a note that says which tables were touched.

    Args:
        warehouse: that of the run.
        run: the run.
    """
    try:
        yield
    except RunError as error:
        state = how_far(run, "failed", message=str(error))
        try:
            noted = bool(warehouse.present())
            if noted:
                warehouse.add_note(pipeline_runs.TABLE, pipeline_runs.row(state), run.run_id)
        except (OptionError, RunError) as why:
            _log.info("%s: %s", _NOT_NOTED, printable(str(why)))
            error.add_note(f"{_UNTOUCHED}. {_NOT_NOTED}")
        else:
            error.add_note(NOTED if noted else _UNTOUCHED)
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


def record_failure(warehouse: Warehouse, state: RunState, folder: str, failure: Exception) -> bool:
    """As `record_end`, of a run that fails: what goes wrong is said by a note of its error.

    Most often the cause is the same, so the note does without: it is logged as information.

    Returns:
        Whether pipeline_runs says so now.

    Args:
        warehouse: that of the run, which still holds it.
        state: how it ended.
        folder: where the run stages.
        failure: why; gets the note, once.
    """
    try:
        return _record(warehouse, state, folder)
    except RunError as error:
        _log.info("%s: %s", _NOT_NOTED, printable(str(error)))
        if _NOT_NOTED not in getattr(failure, "__notes__", ()):
            failure.add_note(_NOT_NOTED)
        return False


def _record(warehouse: Warehouse, state: RunState, folder: str) -> bool:
    """Note it where there are tables; returns whether it is noted."""
    run = state.run.run_id
    if not warehouse.present():
        return False
    if not has_ended(warehouse, run):
        change = staged_run(state, folder, warehouse.capabilities.layout)
        warehouse.commit([change], f"{run}_{state.outcome}")
    return True
