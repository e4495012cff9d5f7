"""An update in this process, without a runner: what the graph of an update does, for a few files.

A run with Beam takes some four seconds before and beside its work. Kernels, checks and commit are
those of the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final

import pyarrow as pa

from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.increment_commit import (
    adding_plan,
    increment_checks,
    increment_commit,
    totals_of_run,
)
from pipeline.graphs.stored_state import CountersOf
from pipeline.inputs.run_records import RangeReader, ranges_of_file, together
from pipeline.micro_batches.steps_here import Came, StepsHere
from pipeline.reports import BatchReport
from pipeline.sinks.run_rows import SourceCounts, source_counts
from pipeline.warehouse.changes import StagedFile
from transforms.advance_step import changed_rows, checkable
from transforms.kernels.counters import Counters
from transforms.kernels.records import RawRecords
from transforms.kernels.run_counts import RunCounts
from transforms.mart_changes import finish, marts_of
from transforms.marts import dead_letter_events
from transforms.marts.registry import TABLES
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.prefetch import prefetch
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.user_tables import CONTRIBUTIONS

_LETTERS: Final = dead_letter_events.TABLE
# A shard takes 100 MB of memory, and all are in memory at once.
_MOST_SHARDS: Final = 5


def fits_here(shards: int) -> bool:
    """Whether events of so many shards are so few that they are taken in without a runner."""
    return shards <= _MOST_SHARDS


def update_here(job: BatchJob, before: Counters | None = None) -> BatchReport:
    """Take a run's files into its tables.

    Args:
        job: what the run does, as the graph takes it: nobody else writes to its warehouse, and its
            staging folder is there.
        before: the sum over all users that its tables hold; None to read it.

    Returns:
        The run's report, once all is committed.

    Raises:
        RunError: if the warehouse can't be read or written, or the run refuses what it has found;
            nothing is committed then.
        DataError: if a file can't be read, or the tables contradict each other.
    """
    came, sources = _parsed(job)
    return take_in_here(job, came, sources, before)


def take_in_here(
    job: BatchJob,
    came: Came,
    sources: Sequence[SourceCounts] = (),
    before: Counters | None = None,
) -> BatchReport:
    """Put new events and dead letters into a run's tables.

    Args:
        job: as `update_here` takes it; where `beside` changes dead_letter_events, `came` has none,
            and those that are found are added by it.
        came: what is new.
        sources: how many rows and dead letters each file has.
        before: as `update_here` takes it.

    Returns:
        The run's report, once all is committed.

    Raises:
        RunError: if the warehouse can't be read or written, or the run refuses what it has found;
            nothing is committed then.
        DataError: if the tables contradict each other.
    """
    checks = increment_checks(job)
    steps = StepsHere(job.warehouse, job.run, job.staging, adding_plan(job).contracts)
    # Where DuckDB and Arrow work without the interpreter, something else is done beside it: checks
    # of marts are planned while state is read, and users are staged while marts are finished.
    with closing(ArrowChecks(checks, TABLES)) as over, ThreadPoolExecutor(1) as beside:
        planned = beside.submit(_evaluated, over, checks, _no_rows(job))
        with job.warehouse.kept_open():
            step = steps.advanced(
                came.events, job.figures, job.started_at, job.identified, job.rates
            )
            if before is None:
                before = CountersOf(job.warehouse)()
        users = beside.submit(_users_done, steps, checks, step)
        written_at_us = pa.scalar(job.started_at, pa.timestamp("us")).value
        after = Counters.total([before, step[CONTRIBUTIONS]])
        finished = finish(before, after, written_at_us, job.figures)
        letters, known = _new_letters(job, [*came.letters, step[DEAD_LETTERS]])
        new_letters = {_LETTERS.name: letters}
        planned.result()
        checked = [_evaluated(over, checks, {**new_letters, **finished.marts})]
        staged = steps.staged({**new_letters, **finished.changed})
        staged_users, checked_users = users.result()
    counts = RunCounts.total([*came.counts, known, step[COUNTS]])
    checked += [totals_of_run(counts), checked_users]
    commit = increment_commit(job, checks)
    return commit.commit(
        [*staged_users, *staged], counts, CheckCounts.total(checked), job.files, sources
    )


def _no_rows(job: BatchJob) -> dict[str, pa.Table]:
    """Of dead letters and marts no row, as their rows come."""
    empty = marts_of(Counters.empty(), figures=job.figures)
    return {_LETTERS.name: _LETTERS.arrow_schema.empty_table(), **empty}


def _users_done(
    steps: StepsHere, checks: Sequence[Check], step: Mapping[str, Any]
) -> tuple[list[StagedFile], CheckCounts]:
    """The rows of users that change, staged, and what the checks of them have counted."""
    with closing(ArrowChecks(checks, TABLES)) as over:
        checked = _evaluated(over, checks, checkable(step))
    return steps.staged(dict(changed_rows(step))), checked


def _evaluated(
    over: ArrowChecks, checks: Sequence[Check], rows: Mapping[str, pa.Table]
) -> CheckCounts:
    return over.evaluate(rows) if checks else CheckCounts()


def _parsed(job: BatchJob) -> tuple[Came, list[SourceCounts]]:
    """What the files are, and of each with a row how many it has, and dead letters."""
    came, counts = Came(), defaultdict[str, RunCounts](RunCounts)
    for records in _records(job):
        found = job.parsed(records)
        came.add(found)
        counts[records.source] = RunCounts.total([counts[records.source], found.counts])
    return came, source_counts(counts)


def _records(job: BatchJob) -> Iterator[RawRecords]:
    read = RangeReader(job.rules)
    for file in job.files:
        for parts in together(ranges_of_file(file, job.rules, None)):
            for records, _ in prefetch(read(parts)):
                yield records


def _new_letters(job: BatchJob, parts: Sequence[pa.Table]) -> tuple[pa.Table, RunCounts]:
    """Rows of dead_letter_events that the warehouse lacks, and how many it has."""
    letters = pa.concat_tables([_LETTERS.arrow_schema.empty_table(), *parts])
    if job.known_dead_letters is None:
        return letters, RunCounts()
    return job.known_dead_letters.parted(letters)
