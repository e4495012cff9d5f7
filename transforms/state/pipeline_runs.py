"""pipeline_runs: one row per run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, cast

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, nullable, required
from transforms.kernels.run_counts import RunCounts

Outcome = Literal["done", "failed", "running"]

TABLE = Table(
    name="pipeline_runs",
    description="One row per run that wrote the tables, or was to: what it was, and how it ended.",
    columns=(
        required("run_id", STRING, "The run's id, as in data_quality_results"),
        required("command", STRING, "What was run: batch, stream, replay ..."),
        required("version", STRING, "The pipeline's version"),
        required("settings", STRING, "JSON: what it was asked to do, by the names of options"),
        required("counts", STRING, "JSON: what became of the input rows; {} where nobody knows"),
        required("outcome", STRING, "done, failed, or running when the row was written"),
        nullable("message", STRING, "Why it failed"),
        required("started_at", TIMESTAMP, "When it began"),
        nullable("ended_at", TIMESTAMP, "When it ended; NULL where it was running"),
        required("updated_at", TIMESTAMP, "When the row was written"),
    ),
    primary_key=("run_id",),
    written_at="updated_at",
)


@dataclass(frozen=True)
class Run:
    """A run as it begins.

    Attributes:
        run_id: its id.
        command: what was run.
        version: the pipeline's.
        settings: what it was asked to do, by the names of options; JSON values.
        started_at: when it began, in UTC without a zone.
    """

    run_id: str
    command: str
    version: str
    started_at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """How far a run has come.

    Attributes:
        run: the run.
        outcome: done, failed, or running.
        updated_at: when that was so, in UTC without a zone.
        counts: what became of the rows that it read; None where nobody knows.
        message: why it failed.
    """

    run: Run
    outcome: Outcome
    updated_at: datetime
    counts: RunCounts | None = None
    message: str | None = None

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; None where it was running."""
        return None if self.outcome == "running" else self.updated_at


def row(state: RunState) -> pa.Table:
    """The row of a run.

    Examples of dead letters are left out of its counts: they quote the source.
    """
    run = state.run
    counts = {} if state.counts is None else replace(state.counts, examples={}).to_json()
    return TABLE.build(
        {
            "run_id": pa.array([run.run_id]),
            "command": pa.array([run.command]),
            "version": pa.array([run.version]),
            "settings": pa.array([json.dumps(run.settings, ensure_ascii=False)]),
            "counts": pa.array([json.dumps(counts)]),
            "outcome": pa.array([state.outcome]),
            "message": pa.array([state.message], pa.string()),
            **{
                name: pa.array([moment], pa.timestamp("us"))
                for name, moment in (
                    ("started_at", run.started_at),
                    ("ended_at", state.ended_at),
                    ("updated_at", state.updated_at),
                )
            },
        }
    )


_OF_RUN: Final = ("run_id", "command", "version", "started_at")


def runs_of(rows: pa.Table) -> list[RunState]:
    """The runs that rows of pipeline_runs tell of, in their order.

    Raises:
        DataError: if a later version wrote counts that this one does not know.
    """
    return [_state(found) for found in rows.to_pylist()]


def counts_of(text: str) -> RunCounts | None:
    """What a row's counts say; None where nobody knows.

    Raises:
        DataError: if a later version wrote counts that this one does not know.
    """
    counts = json.loads(text)
    return RunCounts.from_json(counts) if counts else None


def _state(found: Mapping[str, Any]) -> RunState:
    return RunState(
        Run(**{name: found[name] for name in _OF_RUN}, settings=json.loads(found["settings"])),
        cast(Outcome, found["outcome"]),
        found["updated_at"],
        counts_of(found["counts"]),
        found["message"],
    )
