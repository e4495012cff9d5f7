"""A batch or rebuild on this machine, without Beam: what its graph does, by worker processes.

Workers read ranges of files and write the events by user shard; then they work out the shards.
What crosses between them lies in files. The sums over users are small: marts, checks of them, and
the commit are done by this process. Kernels, checks and commit are those of the graph.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from pipeline.graphs.batch_commit import batch_commit
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.listing import text_bytes
from pipeline.local_batch.mart_checks import MartChecks, planned_checks
from pipeline.local_batch.parse_files import ParsedFiles, ParseRange, ReadStagedFile, ranges_of
from pipeline.local_batch.work_shards import WorkedShards, WorkShards
from pipeline.local_batch.worker_processes import (
    default_workers,
    results,
    worker_processes,
    worker_threads,
)
from pipeline.reports import BatchReport
from pipeline.sinks.run_rows import SourceCounts, source_counts
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.local_staging import staging_folder
from pipeline.warehouse.staged_files import stage
from transforms.finished_marts import finished
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.quality.check_counts import CheckCounts
from transforms.state.registry import STATE_TABLES

_Part = TypeVar("_Part")

# Of a range: some 50,000 events, and 400,000.
_LEAST_BYTES: Final = 4 << 20
_MOST_BYTES: Final = 32 << 20
# Half a second passes before processes begin.
_SHARDS_FOR_THREADS: Final = 5
# Shards are worked out some at a time by whoever is free.
_TURNS: Final = 4


def batch_here(job: BatchJob, workers: int | None) -> BatchReport:
    """Replace all tables by what a run's files hold.

    Args:
        job: what the run does, as the graph takes it: nobody else writes to its warehouse, and its
            staging folder is there.
        workers: how many there may be; None for as many as this machine has cores and memory for.

    Returns:
        The run's report, once all is committed.

    Raises:
        RunError: if the warehouse can't be written, a worker was ended, or the run refuses what it
            has found; nothing is committed then.
        DataError: if a file can't be read, or is not what the rules say.
    """
    count = workers or default_workers()
    with planned_checks(job) as checks:
        parts = ranges_of(job, _range_bytes(job, count))
        parsed, worked = _worked(job, count, ParseRange, parts)
        return _committed(job, parsed, worked, checks, replaces_files=True)


def rebuild_here(job: BatchJob, files: Sequence[StagedFile], workers: int | None) -> BatchReport:
    """Replace all tables by what follows from stored rows; loaded_files stays.

    Args:
        job: as `batch_here` takes it.
        files: staged rows of STORED, and of dead_letter_events.
        workers: as `batch_here` takes them.

    Returns, raises: as `batch_here`.
    """
    with planned_checks(job) as checks:
        parsed, worked = _worked(job, workers or default_workers(), ReadStagedFile, files)
        return _committed(job, parsed, worked, checks, replaces_files=False)


def _range_bytes(job: BatchJob, workers: int) -> int | None:
    """About how large a range of a file is, so that workers end at about the same time; None where
    one worker reads every file to its end."""
    if workers == 1:
        return None
    text = sum(map(text_bytes, job.files))
    rounds = max(1, -(-text // (workers * _MOST_BYTES)))
    return max(_LEAST_BYTES, -(-text // (workers * rounds)))


def _worked(
    job: BatchJob,
    workers: int,
    work: Callable[[BatchJob, str], Callable[[_Part], ParsedFiles]],
    parts: Iterable[_Part],
) -> tuple[list[ParsedFiles], list[WorkedShards]]:
    """What workers make of parts of the input, and of the shards behind it."""
    for_workers = replace(job, files=(), settings={})
    with _folder(job) as folder, _workers(job, workers) as executor:
        parsed = results(executor, work(for_workers, folder), parts)
        shuffled = [path for part in parsed for path in part.shuffled]
        worked = results(executor, WorkShards(for_workers, shuffled), _turns(job, workers))
    return parsed, worked


@contextmanager
def _folder(job: BatchJob) -> Iterator[str]:
    """A folder of this machine for events, which the next run clears if this one is killed:
    beside what is staged, where that is here, too."""
    if "://" in job.staging:
        with staging_folder(job.warehouse.location, Path(tempfile.gettempdir())) as folder:
            yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="shuffle-", dir=job.staging) as folder:
            yield folder


def _workers(job: BatchJob, count: int) -> AbstractContextManager[Executor]:
    """Processes, or threads of this one: for few events these do as well, and begin at once."""
    if count == 1 or job.user_shards <= _SHARDS_FOR_THREADS:
        return worker_threads(count)
    return worker_processes(count, job.staging)


def _turns(job: BatchJob, workers: int) -> list[range]:
    """The shards that are worked out together, each by one worker."""
    turns = min(job.user_shards, workers * _TURNS)
    return [range(turn, job.user_shards, turns) for turn in range(turns)]


def _committed(
    job: BatchJob,
    parsed: Sequence[ParsedFiles],
    worked: Sequence[WorkedShards],
    mart_checks: MartChecks,
    replaces_files: bool,
) -> BatchReport:
    """Finish the marts, and commit all."""
    totals = Counters.total(part.contributions for part in worked)
    rows = finished(totals, job.started_at, job.figures)
    checked = [*(part.checked for part in parsed), *(part.checked for part in worked)]
    if job.checks:
        checked.append(mart_checks.evaluate(rows))
    layout = job.warehouse.capabilities.layout
    contracts = {**TABLES, **STATE_TABLES}
    staged = [
        *(file for part in parsed for file in part.letters),
        *(file for part in worked for file in part.staged),
        *(
            file
            for name, its_rows in rows.items()
            for file in stage(contracts[name], its_rows, job.staging, layout)
        ),
    ]
    by_file = (counts for part in parsed for counts in part.counts.values())
    counts = RunCounts.total([*by_file, *(part.counts for part in worked)])
    commit = batch_commit(job, replaces_files)
    if job.progress:
        job.progress.enter_commit()
    return commit.commit(staged, counts, CheckCounts.total(checked), job.files, _sources(parsed))


def _sources(parsed: Sequence[ParsedFiles]) -> list[SourceCounts]:
    """Of each file how many rows it has, and how many of them are dead letters."""
    totals = defaultdict[str, RunCounts](RunCounts)
    for part in parsed:
        for source, counts in part.counts.items():
            totals[source] = RunCounts.total([totals[source], counts])
    return source_counts(totals)
