"""Dead letters that pass, put into the tables as an update puts in new files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.display.progress_bar import show_progress
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.graphs.read_staged import ReadStaged
from pipeline.graphs.update_graph import NewEvents, build_increment
from pipeline.inputs.listing import shards_for
from pipeline.launch.beam_run import run_to_end
from pipeline.launch.run_files import noted, read_report
from pipeline.launch.runners import Runner
from pipeline.launch.state_of_tables import state_of
from pipeline.replay.attempt import Outcome
from pipeline.replay.replay_job import ReplayJob
from pipeline.replay.replay_report import ReplayReport
from pipeline.sinks import element_coders
from pipeline.sinks.run_notes import failure_noted, staged_run
from pipeline.sinks.run_rows import how_far
from pipeline.summary_file import forgiving
from pipeline.terminal import is_watched
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from pipeline.warehouse.run_ids import new_run
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events
from transforms.marts.dead_letter_events import ROW
from transforms.marts.registry import CORRECTIONS
from transforms.parse_step import COUNTS
from transforms.stored_events import STORED, stored

# What is said of a run beside what went wrong behind it.
DONE: Final = "the tables are updated"
_LETTERS: Final = dead_letter_events.TABLE


def apply(
    job: ReplayJob,
    runner: Runner,
    options: PipelineOptions,
    temp_location: str | None,
    outcome: Outcome,
) -> ReplayReport | None:
    """Try dead letters, and put those that pass into the tables as new events.

    The warehouse is this run's alone from before it is read until it is written.

    Args:
        job: what the replay does.
        runner: what runs the graph.
        options: of Beam.
        temp_location: where to stage; None for beside the warehouse.
        outcome: where the attempt is counted.

    Returns:
        The run's report; None where that is lost, or where no dead letter passes: then their
        counts of tries alone are written, and nothing where none was tried that was not
        tried before.

    Raises:
        RunError, or a runner's error around it: if the warehouse has no state that fits its
            tables, another run writes to it, or the run failed; the tables are as before.
    """
    warehouse, run = job.warehouse, new_run(job.started_at)
    with (
        forgiving(DONE) as is_done,
        noted(runner.local and is_watched(sys.stderr)) as progress,
        warehouse.lock(written(job.quality), temp_location, run) as staging,
    ):
        state = state_of(warehouse)
        job = replace(job, started_at=state.later(job.started_at))
        update = replace(_update(job, run), staging=staging, progress=progress)
        with failure_noted(warehouse, update.noted, staging):
            tried = _try_letters(job, outcome, staging)
            if not outcome.passed:
                if outcome.rewritten:
                    done = how_far(update.noted, "done", RunCounts())
                    row = staged_run(done, staging, warehouse.capabilities.layout)
                    warehouse.commit([tried.letters, row], run)
                is_done()
                return None
            update = replace(
                update,
                user_shards=job.user_shards or shards_for(outcome.passed.total()),
                beside=(tried.letters, tried.corrections),
            )
            with show_progress(progress, sum(file.bytes for file in tried.passed)):
                run_to_end(partial(_build, job=update, files=tried.passed), options)
                is_done()
        return ReplayReport(outcome, state.counters.events, read_report(update.report_path))
    return None


class _Tried(NamedTuple):
    """What dead letters come to, staged.

    Attributes:
        passed: rows of STORED.
        letters: what becomes of dead_letter_events.
        corrections: what becomes of dead_letter_corrections.
    """

    passed: list[StagedFile]
    letters: Change
    corrections: Change


def _try_letters(job: ReplayJob, outcome: Outcome, staging: str) -> _Tried:
    layout = job.warehouse.capabilities.layout
    passed = StagedFiles(STORED, staging, FileLayout())
    leaving = StagedFiles(_LETTERS.matching(ROW), staging, layout)
    rewritten = StagedFiles(_LETTERS, staging, layout)
    corrections = StagedFiles(CORRECTIONS, staging, layout)
    with job.dead_letters() as dead_letters:
        for step in job.attempt(dead_letters, outcome):
            for files, rows in (
                (passed, stored(step.events)),
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
    return _Tried(list(passed.close()), letters, merging)


def _update(job: ReplayJob, run: str) -> BatchJob:
    """The update that puts in what passes."""
    return BatchJob(
        files=(),
        warehouse=job.warehouse,
        run=run,
        started_at=job.started_at,
        user_shards=1,
        active_types=job.active_types,
        max_dead_letter_pct=100.0,
        quality=job.quality,
        command="replay",
        settings=job.settings,
    )


def _build(pipeline: beam.Pipeline, job: BatchJob, files: Sequence[StagedFile]) -> None:
    """Lay the graph of an increment behind staged events into a pipeline."""
    element_coders.register()
    read = (
        pipeline
        | "Staged rows" >> beam.Create(list(files)).with_output_types(StagedFile)
        | "ReadStaged" >> ReadStaged(spread=False, progress=job.progress)
    )
    build_increment(NewEvents(read.events, read[COUNTS]), job)
