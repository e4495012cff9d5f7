"""The results of checks on their way into data_quality_results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipeline.errors import RunError
from pipeline.warehouse import TableWriter
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.marts import data_quality_results
from transforms.marts.registry import RESULTS
from transforms.quality.results import Result
from transforms.state import pipeline_runs


def staged_results(
    results: Sequence[Result], folder: str, layout: FileLayout, run: str, checked_at: datetime
) -> Change:
    """The results of a run, staged, as a change of data_quality_results."""
    files = StagedFiles(RESULTS, folder, layout)
    if results:
        files.write(data_quality_results.rows(results, run, checked_at))
    return Change(RESULTS, WriteDisposition.APPEND, list(files.close()))


def record_refusal(
    warehouse: TableWriter, changes: Sequence[Change], run: str, refusal: RunError
) -> RunError:
    """Commit what is recorded of a run that commits nothing else; returns what to raise."""
    try:
        warehouse.commit(changes, run)
    except RunError as error:
        return RunError(f"{refusal}. The checks' results can't be recorded either: {error}")
    return RunError(
        f"{refusal}. No table was touched but {RESULTS.name}, where run_id '{run}' holds the "
        f"results of all checks, and {pipeline_runs.TABLE.name}"
    )
