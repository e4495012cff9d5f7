"""Lets worker processes of a test wait at points of a run, until the test has killed somebody.

A point is held while a file of its name is in the folder HOLDS; whoever comes to it leaves a file
of the point and its process id there.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

FOLDER: Final = "HOLDS"
# Rows of events are staged, and others are not; nothing is committed.
STAGED: Final = "staged"
# All tables are changed but for the end of the transaction; in BigQuery all is loaded.
WRITING: Final = "writing"
# The tables are changed, and nobody has been told.
WRITTEN: Final = "written"
# A flush of a stream is sealed and in a checkpoint, and nothing of it is committed.
SEALED: Final = "sealed"
# A flush of a stream is in the tables, and the stream's state does not know.
FLUSHED: Final = "flushed"

# So that tests need not wait for what a killed worker has on lease.
_LEASE_SECONDS: Final = 20
_RENEWAL_SECONDS: Final = 5


def install() -> None:
    """Make the steps of this process wait at the points."""
    from pipeline.pubsub import held_messages
    from pipeline.sinks import commit_flushes, stage_rows
    from pipeline.warehouse import duckdb
    from pipeline.warehouse.bigquery import commit

    _hold(stage_rows._WriteParquet, "finish_bundle", _behind, STAGED)
    _hold(duckdb, "see_unchanged", _behind, WRITING)
    _hold(commit, "finish", _before, WRITING)
    _hold(duckdb.DuckDBWarehouse, "_commit", _behind, WRITTEN)
    _hold(commit_flushes.CommitStep, "_change_tables", _before, SEALED)
    _hold(commit_flushes.CommitStep, "_change_tables", _behind, FLUSHED)
    for name, seconds in (("LEASE", _LEASE_SECONDS), ("RENEWAL", _RENEWAL_SECONDS)):
        setattr(held_messages, f"_{name}_SECONDS", seconds)


def _hold(
    owner: object, name: str, held: Callable[[str, Callable[..., Any]], object], point: str
) -> None:
    setattr(owner, name, held(point, getattr(owner, name)))


def _wait(point: str) -> None:
    folder = Path(os.environ[FOLDER])
    if (folder / point).exists():
        (folder / f"{point}-{os.getpid()}").touch()
    while (folder / point).exists():
        time.sleep(0.02)


def _behind(point: str, step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def held(*arguments: Any) -> Any:
        found = step(*arguments)
        _wait(point)
        return found

    return held


def _before(point: str, step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def held(*arguments: Any) -> Any:
        _wait(point)
        return step(*arguments)

    return held
