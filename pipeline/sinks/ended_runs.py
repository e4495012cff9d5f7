"""Whether a run has ended, asked for before Beam is imported."""

from __future__ import annotations

from pipeline.warehouse import TableReader
from transforms.state import pipeline_runs


def has_ended(reader: TableReader, run: str) -> bool:
    """Whether pipeline_runs says how a run has ended.

    Raises:
        RunError: if the warehouse can't be read.
    """
    return _is(reader, run, "outcome <> 'running'")


def is_done(reader: TableReader, run: str) -> bool:
    """Whether pipeline_runs says that a run has done what it was to do.

    Raises:
        RunError: if the warehouse can't be read.
    """
    return _is(reader, run, "outcome = 'done'")


def _is(reader: TableReader, run: str, condition: str) -> bool:
    if reader.count(pipeline_runs.TABLE) is None:
        return False
    rows = reader.source(pipeline_runs.TABLE)
    statement = f"SELECT COUNT(*) AS found FROM {rows} WHERE run_id = '{run}' AND {condition}"
    ((found,),) = reader.ask([statement])
    return bool(found["found"])
