"""The graph of an update: new CSV files, and what the warehouse holds of their users, to changes
of all tables."""

from __future__ import annotations

from typing import Final, NamedTuple

import apache_beam as beam

from pipeline import __version__
from pipeline.graphs.batch_graph import read_files
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.increment_commit import (
    adding_plan,
    increment_checks,
    increment_commit,
    totals_of_run,
)
from pipeline.graphs.new_dead_letters import LETTERS, NewDeadLetters
from pipeline.graphs.read_state import ReadRows
from pipeline.graphs.stored_state import CountersOf, EventsOn, dates_of_ids, state_of_dates
from pipeline.sinks.commit_batch import Commit
from pipeline.sinks.stage_rows import StageRows, StageTables
from transforms.check_rows import CHECKED, CheckRows
from transforms.events import ByUserShard
from transforms.increment_steps import (
    ROWS,
    AdvanceShards,
    FinishIncrement,
    NewIds,
    StateByShard,
    TouchedDates,
)
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.marts import dead_letter_events
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.quality.check_counts import CheckCounts
from transforms.totals import Sum
from transforms.touched_dates import NEW_IDS, TOUCHED
from transforms.user_tables import CONTRIBUTIONS

_LETTERS: Final = dead_letter_events.TABLE


class NewEvents(NamedTuple):
    """What an increment begins with, wherever it comes from.

    Attributes:
        events: `Parsed` batches, in any order, those that are stored already too.
        counts: RunCounts of the input rows, and of dead letters among them.
        dead_letters: tables of dead_letter_events to be added; None where there can be none but
            those that are found beside their users' events.
    """

    events: beam.PCollection
    counts: beam.PCollection
    dead_letters: beam.PCollection | None = None


def build(pipeline: beam.Pipeline, job: BatchJob) -> None:
    """Lay the graph of an update into a pipeline.

    Args:
        pipeline: the pipeline.
        job: what the run does: its `files` are new to the warehouse, and all that it writes is
            written at its `started_at`, which is later than all that the tables hold.
    """
    read = read_files(pipeline, job)
    new = NewEvents(read.parsed.events, read.parsed[COUNTS], read.parsed[DEAD_LETTERS])
    build_increment(new, job, read.files, read.sources)


def build_increment(new: NewEvents, job: BatchJob, *loaded: beam.PCollection) -> None:
    """Lay all that follows from new events into a pipeline.

    The tables, which a version with state tables has built, end as a batch over all events would
    leave them.

    Args:
        new: the events.
        job: what the run does; `beside` may hold a change of dead_letter_events where `new` has no
            dead letters: those that are found are added by it.
        loaded: InputFiles that must be as they were before anything is committed, and SourceCounts
            of them.
    """
    checks = increment_checks(job)
    warehouse, key = job.warehouse, shard_key(job.run)
    layout = warehouse.capabilities.layout
    touched = new.events | "TouchedDates" >> TouchedDates(job.figures.reckoning)
    if job.identified:
        of_ids = (
            new.events
            | "NewIds" >> NewIds()
            | "Stage new_event_ids" >> StageRows(NEW_IDS, job.staging, layout)
            | "ReadDates" >> ReadRows(warehouse, job.run, [dates_of_ids()])
        )
        touched = (touched, of_ids) | "All touched dates" >> beam.Flatten()
    state = (
        touched
        | "Stage touched_dates" >> StageRows(TOUCHED, job.staging, layout)
        | "ReadState"
        >> ReadRows(warehouse, job.run, state_of_dates(job.identified, job.rates.is_any))
    )
    by_shard = (
        new.events | "ByUserShard" >> ByUserShard(job.user_shards, key),
        state | "StateByShard" >> StateByShard(job.user_shards, key),
    ) | "Events and state" >> beam.Flatten()
    shards = by_shard | "AdvanceShards" >> AdvanceShards(
        job.figures,
        job.started_at,
        EventsOn(warehouse, job.identified),
        __version__,
        checks,
        job.rates,
    )
    marts = (
        shards[CONTRIBUTIONS]
        | "SumContributions" >> Sum(Counters)
        | "FinishMarts"
        >> FinishIncrement(job.started_at, CountersOf(warehouse), checks, job.figures)
    )
    plan = adding_plan(job)
    rows = (shards[ROWS], marts[ROWS]) | "Changed rows" >> beam.Flatten()
    staged = [rows | "Stage rows" >> StageTables(plan.contracts, job.staging, layout)]
    counts, checked = [new.counts, shards[COUNTS]], [shards[CHECKED], marts[CHECKED]]
    finds = job.identified or job.rates.keep
    letters = None if new.dead_letters is None and not finds else shards[DEAD_LETTERS]
    if new.dead_letters is not None:
        letters = (new.dead_letters, letters) | "All dead letters" >> beam.Flatten()
    if letters is not None and job.known_dead_letters is not None:
        parted = letters | "NewDeadLetters" >> NewDeadLetters(job.known_dead_letters)
        letters = parted[LETTERS]
        counts.append(parted[COUNTS])
    if letters is not None:
        of_letters = StageRows(_LETTERS, job.staging, layout)
        staged.append(letters | f"Stage {_LETTERS.name}" >> of_letters)
        checked.append(letters | "CheckLetters" >> CheckRows(_LETTERS.name, checks))
    files = staged | "All staged files" >> beam.Flatten()
    counted = counts | "All counts" >> beam.Flatten() | "SumCounts" >> Sum(RunCounts)
    checked.append(
        counted | "CheckCounts" >> beam.Map(totals_of_run).with_output_types(CheckCounts)
    )
    found = checked | "All checks" >> beam.Flatten() | "SumChecks" >> Sum(CheckCounts)
    (files, counted, found, *loaded) | "Commit" >> Commit(
        increment_commit(job, checks), job.report_paths, job.progress
    )
