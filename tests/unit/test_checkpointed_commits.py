"""A job that goes back to a checkpoint: what it committed was in it, so nothing is left."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from apache_beam.transforms.userstate import get_dofn_specs

from pipeline.sinks.checkpointed_commits import _TICK, _Commit
from pipeline.sinks.commit_flushes import CommitFlushes, CommitStep
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.durable_flushes import DurableFlushes
from pipeline.sinks.flush_state import Part, encode_part
from pipeline.sinks.staged_steps import StagedStep
from pipeline.warehouse import Warehouse, open_warehouse
from tests.support.cells import Bag, Bundles, Cell, Timer
from tests.support.staging import filled, stage
from tests.support.tables import NOW, codes, csv_text, parse, row
from transforms.figure_settings import FigureSettings
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.mart_changes import finish
from transforms.marts import dead_letter_events, retention_cohorts
from transforms.marts.registry import ALL_TABLES
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.streaming.clock import system_clock
from transforms.vocabulary import EVENT_TYPES

TABLES = (*ALL_TABLES, *STATE_TABLES.values())
LETTERS = dead_letter_events.TABLE


class Job:
    """The step that commits, on a runner that says when it has made bundles durable."""

    def __init__(self, warehouse: Warehouse, folder: Path):
        self._bundles = Bundles()
        options = CommitFlushes(
            warehouse,
            CommitPlan.adding(TABLES),
            partial(finish, figures=FigureSettings()),
            str(folder),
            Run("stream_1", "stream", "1", NOW, {}),
            60,
            system_clock,
            kept_seconds=86_400,
        )
        self._step = _Commit(options, DurableFlushes())
        self._step.setup()
        states, _ = get_dofn_specs(self._step)
        self._state: dict[str, Any] = {
            spec.name: Bag() if "Bag" in type(spec).__name__ else Cell() for spec in states
        }

    def gather(self, *parts: Part) -> None:
        """Take parts in, and seal them as a flush."""
        state = self._state
        for part in parts:
            list(self._step.process((0, encode_part(part)), state["parts"], Timer()))
        self._step.seal_flush(
            *(state[name] for name in ("parts", "lanes", "counts", "sum", "number")),
            *(state[name] for name in ("written_at", "sealed")),
            *(Timer(), Timer()),
        )

    def tick(self) -> int:
        """Look whether the flush can be committed; gives how many were."""
        parts, sealed, committed, removal = (
            self._state[name] for name in ("parts", "sealed", "committed", "removal")
        )
        tick = (0, _TICK)
        found = self._step.process(tick, parts, Timer(), sealed, committed, removal, self._bundles)
        return len(list(found))

    def checkpoint(self) -> dict[str, Any]:
        """Take one, which all that has happened so far is in."""
        taken = copy.deepcopy(self._state)
        self._bundles.checkpoint()
        return taken

    def commit(self) -> None:
        """Take checkpoints until the flush is committed."""
        while not self.tick():
            self.checkpoint()

    def go_back(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; what came behind it never was."""
        self._state = copy.deepcopy(state)
        self._bundles.lose()


def sums(*dates: str) -> Counters:
    """What a user comes to with an event on each of some dates."""
    parts = parse(csv_text([row(f"{date}T10:00:00Z", "bob") for date in dates]))
    return contributions(
        timelines(sort_events([part.events for part in parts])), codes(EVENT_TYPES)
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")


def cohorts(warehouse: Warehouse) -> set[str]:
    if retention_cohorts.TABLE.name not in (warehouse.present() or ()):
        return set()
    return {str(month) for month in warehouse.read(retention_cohorts.TABLE)["cohort_month"]}


def test_a_flush_that_no_checkpoint_holds_is_not_committed_and_leaves_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """A user's later event comes first, and with the earlier one first when it comes again."""
    job = Job(warehouse, tmp_path)
    before = job.checkpoint()
    job.gather(sums("2025-12-01"))
    assert job.tick() == 0
    assert cohorts(warehouse) == set()
    job.go_back(before)
    job.gather(sums("2025-11-01", "2025-12-01"))
    job.commit()
    assert cohorts(warehouse) == {"2025-11-01"}


def test_a_commit_at_once_would_leave_a_cohort_of_nobody(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """Why a flush waits."""
    job = Job(warehouse, tmp_path)
    before = job.checkpoint()
    for dates in (["2025-12-01"], ["2025-11-01", "2025-12-01"]):
        job.gather(sums(*dates))
        states = (job._state[name] for name in ("sealed", "committed", "removal"))
        list(CommitStep.commit_flush(job._step, *states))
        job.go_back(before)
    assert cohorts(warehouse) == {"2025-11-01", "2025-12-01"}


def test_a_flush_that_is_restored_once_it_is_committed_adds_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    job = Job(warehouse, tmp_path)
    files = stage(LETTERS, [filled(LETTERS, dead_letter_id="a")], str(tmp_path))
    job.gather(StagedStep("letters 0", 1, files), sums("2025-12-01"))
    sealed = job.checkpoint()
    job.commit()
    for _ in range(2):
        job.go_back(sealed)
        job.commit()
    assert warehouse.count(LETTERS) == 1
    job.gather(sums("2025-11-01", "2025-12-01") - sums("2025-12-01"))
    job.commit()
    assert cohorts(warehouse) == {"2025-11-01"}
