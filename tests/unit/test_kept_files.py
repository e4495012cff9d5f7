"""Staged files of a job that may go back to a checkpoint: they stay once they are committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sinks.commit_flushes import CommitFlushes, CommitStep
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.flush_state import SealedFlush
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import StagedFile
from tests.support.cells import Bag, Cell
from tests.support.staging import filled, stage
from tests.support.tables import NOW
from transforms.kernels.run_counts import RunCounts
from transforms.mart_changes import finish
from transforms.marts import dead_letter_events, fct_events
from transforms.state.pipeline_runs import Run

EVENTS = fct_events.TABLE
DAY, HOUR = 86_400, 3_600


class _Job:
    """The step that commits, with a clock that is set by hand."""

    def __init__(self, warehouse: Warehouse, kept_seconds: int):
        self.now = 1_000_000.0
        tables = (EVENTS, dead_letter_events.TABLE)
        self._step = CommitStep(
            CommitFlushes(
                warehouse,
                CommitPlan.adding(tables),
                finish,
                "",
                Run("stream_1", "stream", "1", NOW, {}),
                60,
                lambda: self.now,
                kept_seconds=kept_seconds,
            )
        )
        self._step.setup()
        self._committed, self._removal = Bag(), Cell()

    def commit(self, number: int, *files: StagedFile) -> None:
        sealed = Cell()
        sealed.write(SealedFlush(number, list(files), RunCounts(), 0, 0, ()).to_bytes())
        list(self._step.commit_flush(sealed, self._committed, self._removal))
        assert sealed.read() is None


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")


def event(folder: Path, event_id: str) -> StagedFile:
    (file,) = stage(EVENTS, [filled(EVENTS, event_id=event_id)], str(folder))
    return file


def ids(warehouse: Warehouse) -> list[str]:
    return sorted(warehouse.read(EVENTS)["event_id"].to_pylist())


def test_files_are_committed_again_in_another_flush_of_the_same_number(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """A job has committed a flush, and goes back to a checkpoint before it was sealed."""
    job = _Job(warehouse, DAY)
    a, b, c = (event(tmp_path, name) for name in "abc")
    job.commit(1, a, b)
    assert ids(warehouse) == ["a", "b"]
    back = _Job(warehouse, DAY)
    back.commit(1, a, c)
    assert ids(warehouse) == ["a", "b", "c"]
    back.commit(1, a, c)  # And back again, behind the seal.
    assert ids(warehouse) == ["a", "b", "c"]


def test_files_go_a_day_after_they_were_committed(warehouse: Warehouse, tmp_path: Path) -> None:
    job = _Job(warehouse, DAY)
    files = [event(tmp_path, name) for name in "abcd"]

    def left() -> list[bool]:
        return [Path(file.path).exists() for file in files]

    job.commit(1, files[0])
    job.now += 2 * HOUR
    job.commit(2, files[1])
    job.now += DAY - 2 * HOUR
    job.commit(3, files[2])
    assert left() == [False, True, True, True]
    job.now += HOUR / 2  # It is looked for them once an hour.
    job.commit(4)
    job.now += 2 * HOUR
    job.commit(5, files[3])
    assert left() == [False, False, True, True]


def test_files_go_at_once_where_no_job_goes_back(warehouse: Warehouse, tmp_path: Path) -> None:
    file = event(tmp_path, "a")
    _Job(warehouse, 0).commit(1, file)
    assert not Path(file.path).exists()
    assert ids(warehouse) == ["a"]
