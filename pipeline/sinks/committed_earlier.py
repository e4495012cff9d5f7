"""Commits that are tried again when their tables are written already.

A runner may begin a whole job again because it lost a worker at its very end, as Flink does. What
it counts then is counted beside the tables that the first attempt has written: every new event is a
repeat, every dead letter there already.
"""

from __future__ import annotations

import json
from typing import Final

from pipeline import storage
from pipeline.errors import RunError
from pipeline.reports import BatchReport
from pipeline.sinks.ended_runs import is_done
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import Warehouse

_NAME: Final = "committing.json"


def keep(report: BatchReport, staging: str) -> None:
    """Write what a run is about to commit into its staging folder.

    Raises:
        RunError: if it can't be written.
    """
    path = storage.join(staging, _NAME)
    try:
        with storage.create(path) as stream:
            stream.write(json.dumps(report.to_json()).encode())
    except storage_errors() as error:
        raise _failure("write", path, error) from error


def committed_earlier(warehouse: Warehouse, run: str, staging: str) -> BatchReport | None:
    """What an earlier attempt of a run has committed; None where none has.

    Tables, state and the run's row in pipeline_runs change together, and that row last.

    Args:
        warehouse: of the run.
        run: its id.
        staging: its folder.

    Raises:
        RunError: if that can't be found out.
    """
    path = storage.join(staging, _NAME)
    try:
        # Most commits are the first ones, and ask no warehouse.
        if not storage.listed(path) or not is_done(warehouse, run):
            return None
        with storage.opened(path) as stream:
            return BatchReport.from_json(json.loads(stream.read()))
    except storage_errors(ValueError) as error:
        raise _failure("read", path, error) from error


def _failure(action: str, path: str, error: Exception) -> RunError:
    return RunError(
        f"can't {action} {path}, by which a commit that is tried again knows what was done "
        f"({storage_reason(error)}): see that workers reach the folder of staged files "
        "(--temp_location), and run again"
    )
