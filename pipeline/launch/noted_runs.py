"""The runs that a warehouse has noted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.errors import RunError
from pipeline.warehouse import TableReader
from pipeline.warehouse.presence import tables_present
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import RunState, runs_of


def runs_of_warehouse(warehouse: TableReader) -> list[RunState]:
    """All runs that are noted in a warehouse, the latest first.

    Raises:
        RunError: if it is not there, has noted none, or can't be read.
        DataError: if a later version noted what this one does not know.
    """
    present = tables_present(warehouse)
    table = pipeline_runs.TABLE
    if table.name not in present:
        raise RunError(
            f"{warehouse.url} has no table {table.name}: no run has noted anything there yet, or "
            "an earlier version wrote its tables; the next run that writes them begins to"
        )
    rows = warehouse.read(table).sort_by([("started_at", "descending"), ("run_id", "descending")])
    return runs_of(rows)


def runs_report(states: Sequence[RunState]) -> dict[str, Any]:
    """What `--summary_file` holds of runs."""
    return {"runs": [_report(state) for state in states]}


def _report(state: RunState) -> dict[str, Any]:
    run, counts = state.run, state.counts
    return {
        "run_id": run.run_id,
        "command": run.command,
        "version": run.version,
        "settings": dict(run.settings),
        "counts": None
        if counts is None
        else {
            "input_rows": counts.input_rows,
            "events": counts.events,
            "duplicates": counts.duplicates,
            "dead_letters": {
                "total": counts.rejected,
                "by_error_type": dict(counts.dead_letters),
            },
            "forgotten": counts.forgotten,
            "excluded": counts.left_out,
            **({"taken_back": counts.taken_back} if counts.taken_back else {}),
        },
        "outcome": state.outcome,
        "message": state.message,
        "started_at": _moment(run.started_at),
        "ended_at": _moment(state.ended_at),
        "updated_at": _moment(state.updated_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"
