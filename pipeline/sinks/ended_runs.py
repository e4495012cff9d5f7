"""Whether a run has ended, asked for before Beam is imported."""

from __future__ import annotations

from pipeline.warehouse import TableReader
from transforms.state import pipeline_runs


def has_ended(reader: TableReader, run: str) -> bool:
    """Whether pipeline_runs says how a run has ended.

    Raises:
        RunError: if the warehouse can't be read.
    """
    if reader.count(pipeline_runs.TABLE) is None:
        return False
    rows = reader.source(pipeline_runs.TABLE)
    statement = (
        f"SELECT COUNT(*) AS ended FROM {rows} WHERE run_id = '{run}' AND outcome <> 'running'"
    )
    ((found,),) = reader.ask([statement])
    return bool(found["ended"])
