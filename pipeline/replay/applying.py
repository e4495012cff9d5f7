"""Dead letters that pass, put into the tables as an update puts in new files."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

import pyarrow as pa

from pipeline.graphs.batch_job import BatchJob, written
from pipeline.inputs.listing import shards_for
from pipeline.launch.asked_beam import ByBeam
from pipeline.launch.state_of_tables import state_of
from pipeline.micro_batches.steps_here import Came
from pipeline.micro_batches.update_here import fits_here, take_in_here
from pipeline.replay.attempt import Outcome
from pipeline.replay.replay_job import ReplayJob
from pipeline.replay.replay_report import ReplayReport
from pipeline.reports import BatchReport
from pipeline.sinks.run_notes import failure_noted, staged_notes
from pipeline.sinks.run_rows import how_far
from pipeline.summary_file import forgiving
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from pipeline.warehouse.run_ids import new_run
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.counters import Counters
from transforms.kernels.event_batch import with_identity
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.source_ids import CONFLICTING
from transforms.marts import dead_letter_events
from transforms.marts.dead_letter_events import ROW
from transforms.marts.registry import CORRECTIONS
from transforms.state.warehouse_settings import RULES
from transforms.stored_events import CAME_WITH_ID, STORED, stored

# What is said of a run beside what went wrong behind it.
DONE: Final = "the tables are updated"
_LETTERS: Final = dead_letter_events.TABLE


def apply(
    job: ReplayJob, by_beam: ByBeam, temp_location: str | None, outcome: Outcome
) -> ReplayReport | None:
    """Try dead letters, and put those that pass into the tables as new events.

    The warehouse is this run's alone from before it is read until it is written.

    Args:
        job: what the replay does.
        by_beam: what runs the graph of an update, where one is needed.
        temp_location: where to stage; None for beside the warehouse.
        outcome: where the attempt is counted.

    Returns:
        The run's report; None where that is lost, or where no dead letter passes: then their
        counts of tries and rules that are named are written, and nothing where there are none.

    Raises:
        RunError, or a runner's error around it: if the warehouse has no state that fits its
            tables, another run writes to it, or the run failed; the tables are as before.
    """
    warehouse, run = job.warehouse, new_run(job.started_at)
    with (
        forgiving(DONE) as is_done,
        warehouse.lock(written(job.quality), temp_location, run) as staging,
    ):
        state = state_of(warehouse)
        job = replace(job, started_at=state.later(job.started_at))
        update = replace(_update(job, run), staging=staging)
        with failure_noted(warehouse, update.noted, staging):
            tried = _try_letters(job, outcome, staging)
            if not outcome.passed:
                if outcome.rewritten or RULES in update.settings:
                    done = how_far(update.noted, "done", RunCounts())
                    notes = staged_notes(done, staging, warehouse.capabilities.layout)
                    warehouse.commit([tried.letters, *notes], run)
                is_done()
                return None
            update = replace(
                update,
                user_shards=job.user_shards or shards_for(outcome.passed.total()),
                beside=(tried.letters, tried.corrections),
            )
            found = _take_in(update, by_beam, tried, state.counters)
            outcome.conflict(found.counts.dead_letters.get(CONFLICTING, 0))
            is_done()
        return ReplayReport(outcome, state.counters.events, found)
    return None


class _Tried(NamedTuple):
    """What dead letters come to, staged.

    Attributes:
        passed: rows of STORED, or of CAME_WITH_ID.
        events: the same events, where they are few.
        letters: what becomes of dead_letter_events.
        corrections: what becomes of dead_letter_corrections.
    """

    passed: list[StagedFile]
    events: list[pa.RecordBatch]
    letters: Change
    corrections: Change


def _try_letters(job: ReplayJob, outcome: Outcome, staging: str) -> _Tried:
    layout = job.warehouse.capabilities.layout
    identified = job.rules is not None and job.rules.identifies
    passed = StagedFiles(CAME_WITH_ID if identified else STORED, staging, FileLayout())
    leaving = StagedFiles(_LETTERS.matching(ROW), staging, layout)
    rewritten = StagedFiles(_LETTERS, staging, layout)
    corrections = StagedFiles(CORRECTIONS, staging, layout)
    events: list[pa.RecordBatch] = []
    with job.dead_letters() as dead_letters:
        for step in job.attempt(dead_letters, outcome):
            events = [*events, step.events] if _are_few(outcome) else []
            came = with_identity(step.events, {}) if identified else step.events
            for files, rows in (
                (passed, stored(came, job.figures.known)),
                (leaving, step.leaving),
                (rewritten, step.rewritten),
                (corrections, step.corrections),
            ):
                if rows.num_rows:
                    files.write(rows)
    letters = Change(
        _LETTERS,
        WriteDisposition.APPEND,
        list(rewritten.close()),
        matching=(Matching(ROW, list(leaving.close())),),
    )
    merging = Change(CORRECTIONS, WriteDisposition.MERGE, list(corrections.close()))
    return _Tried(list(passed.close()), events, letters, merging)


def _are_few(outcome: Outcome) -> bool:
    return fits_here(shards_for(outcome.passed.total()))


def _take_in(job: BatchJob, by_beam: ByBeam, tried: _Tried, before: Counters) -> BatchReport:
    """Put in what passes: in this process where it is few, else with Beam, imported then."""
    if tried.events and not by_beam.is_asked:
        counts = RunCounts(input_rows=sum(map(len, tried.events)))
        return take_in_here(job, Came(tried.events, counts=[counts]), before=before)
    from pipeline.replay.by_beam import take_in_by_beam

    return take_in_by_beam(job, by_beam, tried.passed)


def _update(job: ReplayJob, run: str) -> BatchJob:
    """The update that puts in what passes."""
    return BatchJob(
        files=(),
        warehouse=job.warehouse,
        run=run,
        started_at=job.started_at,
        user_shards=1,
        figures=job.figures,
        max_dead_letter_pct=100.0,
        quality=job.quality,
        command="replay",
        rules=job.rules,
        settings=job.settings,
    )
