"""What a run notes of itself in the state tables, beside the rows of the marts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.loaded_inputs import fingerprint_to_store
from pipeline.moments import utc_now
from transforms.kernels.run_counts import RunCounts
from transforms.state import loaded_files, pipeline_runs, warehouse_settings
from transforms.state.loaded_files import LoadedFile
from transforms.state.pipeline_runs import Outcome, Run, RunState

# Of a source its input rows and its dead letters.
SourceCounts = tuple[str, tuple[int, int]]


def source_counts(counts: Mapping[str, RunCounts]) -> list[SourceCounts]:
    """Of each source how many input rows and dead letters it has."""
    return [(source, (its.input_rows, its.rejected)) for source, its in counts.items()]


def how_far(
    run: Run, outcome: Outcome, counts: RunCounts | None = None, message: str | None = None
) -> RunState:
    """A run as it is now."""
    return RunState(run, outcome, utc_now(), counts, message)


def rows_of_run(state: RunState) -> dict[str, pa.Table]:
    """By the names of state tables, what is noted of a run that commits: the run, and those of its
    settings that all runs share."""
    return {**rows_of_state(state), **settings_of_run(state.run)}


def settings_of_run(run: Run) -> dict[str, pa.Table]:
    """By the name of warehouse_settings, those of a run's settings that all runs share."""
    settings = run.settings
    shared = {name: settings[name] for name in warehouse_settings.SHARED if name in settings}
    return {warehouse_settings.TABLE.name: warehouse_settings.rows(shared, run.started_at)}


def rows_of_state(state: RunState) -> dict[str, pa.Table]:
    """By the name of pipeline_runs, the row of a run."""
    return {pipeline_runs.TABLE.name: pipeline_runs.row(state)}


def rows_of_files(
    run: Run, files: Sequence[InputFile], sources: Iterable[SourceCounts]
) -> dict[str, pa.Table]:
    """By the name of loaded_files, its rows of the files that a run has loaded.

    Args:
        run: the run.
        files: all of them.
        sources: what was counted of those with a record.
    """
    counts = dict(sources)
    loaded = [
        LoadedFile(file.path, file.size, fingerprint_to_store(file), *counts.get(file.path, (0, 0)))
        for file in files
    ]
    rows = loaded_files.rows(loaded, run.run_id, run.started_at)
    return {loaded_files.TABLE.name: rows}
