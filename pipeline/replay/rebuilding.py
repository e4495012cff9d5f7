"""The tables of a batch over all events accepted so far and the dead letters that pass now."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.display.progress_bar import show_progress
from pipeline.errors import RunError
from pipeline.graphs.batch_graph import BatchJob, build_tables, written
from pipeline.graphs.read_staged import ReadStaged
from pipeline.inputs.listing import shards_for
from pipeline.launch.batch_launch import DONE, noted, read_report
from pipeline.launch.beam_run import run_to_end
from pipeline.launch.runners import Runner
from pipeline.replay.attempt import Outcome
from pipeline.replay.replay_job import ReplayJob
from pipeline.replay.replay_report import ReplayReport
from pipeline.sinks import element_coders
from pipeline.sinks.run_notes import failure_noted
from pipeline.summary_file import forgiving
from pipeline.terminal import is_watched
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.run_ids import new_run
from pipeline.warehouse.staged_files import StagedFiles
from transforms.marts import dead_letter_events, fct_events
from transforms.marts.registry import CORRECTIONS
from transforms.stored_events import STORED, stored
from transforms.vocabulary import SOURCE_COLUMNS

# Of a staged file of events: more of them, so that several workers have their share.
_FILE_ROWS: Final = 1_000_000


def rebuild(
    job: ReplayJob,
    runner: Runner,
    options: PipelineOptions,
    temp_location: str | None,
    outcome: Outcome,
) -> ReplayReport | None:
    """Try dead letters; replace all tables by a batch over the events and those that pass.

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
        RunError, or a runner's error around it: if another run writes to the warehouse, or the
            run failed; the tables are as before.
    """
    warehouse, run = job.warehouse, new_run(job.started_at)
    with (
        forgiving(DONE) as is_done,
        noted(runner.local and is_watched(sys.stderr)) as progress,
        warehouse.lock((*written(job.quality), CORRECTIONS), temp_location, run) as staging,
    ):
        passed, staying, corrections = _try_letters(job, outcome, staging)
        if not outcome.passed:
            if outcome.rewritten:
                warehouse.commit(
                    [Change(dead_letter_events.TABLE, WriteDisposition.REPLACE, staying)], run
                )
            is_done()
            return None
        accepted = list(_stage_events(job, staging))
        events = sum(file.rows for file in accepted)
        found = warehouse.count(fct_events.TABLE)
        if found != events:
            raise RunError(
                f"{fct_events.TABLE.name} has {found or 0:,} rows, of which {events:,} were read: "
                "another program writes to it; no table was touched, run again"
            )
        files = [*accepted, *passed, *staying]
        batch = replace(
            _batch(job, run, files),
            staging=staging,
            progress=progress,
            range_bytes=None if runner.workers == 1 else _FILE_ROWS,
            beside=(Change(CORRECTIONS, WriteDisposition.MERGE, corrections),),
        )
        with (
            show_progress(progress, sum(file.bytes for file in files)),
            failure_noted(warehouse, batch.noted, staging),
        ):
            run_to_end(partial(_build, job=batch, files=files), options)
            is_done()
        return ReplayReport(outcome, events, read_report(batch.report_path))
    return None


def _try_letters(
    job: ReplayJob, outcome: Outcome, staging: str
) -> tuple[list[StagedFile], list[StagedFile], list[StagedFile]]:
    """Stage events of dead letters that pass, those that stay, and what was corrected."""
    passed = StagedFiles(STORED, staging, FileLayout())
    layout = job.warehouse.capabilities.layout
    staying = StagedFiles(dead_letter_events.TABLE, staging, layout)
    corrections = StagedFiles(CORRECTIONS, staging, layout)
    with job.dead_letters() as dead_letters:
        for step in job.attempt(dead_letters, outcome):
            if len(step.events):
                passed.write(stored(step.events))
            staying.write(step.dead_letters)
            if step.corrections.num_rows:
                corrections.write(step.corrections)
    return list(passed.close()), list(staying.close()), list(corrections.close())


def _stage_events(job: ReplayJob, staging: str) -> Iterator[StagedFile]:
    """Stage the source values of all rows of fct_events."""
    files, rows = StagedFiles(STORED, staging, FileLayout()), 0
    for part in job.warehouse.batches(fct_events.TABLE, SOURCE_COLUMNS):
        files.write(part)
        rows += part.num_rows
        if rows >= _FILE_ROWS:
            yield from files.close()
            files, rows = StagedFiles(STORED, staging, FileLayout()), 0
    yield from files.close()


def _batch(job: ReplayJob, run: str, files: Sequence[StagedFile]) -> BatchJob:
    """The batch run that makes the tables of staged files."""
    return BatchJob(
        files=(),
        warehouse=job.warehouse,
        run=run,
        started_at=job.started_at,
        user_shards=job.user_shards or shards_for(sum(file.rows for file in files)),
        active_types=job.active_types,
        max_dead_letter_pct=100.0,  # The letters were let in once.
        quality=job.quality,
        command="replay",
        settings=job.settings,
    )


def _build(pipeline: beam.Pipeline, job: BatchJob, files: Sequence[StagedFile]) -> None:
    """Lay the batch graph behind staged files into a pipeline."""
    element_coders.register()
    read = (
        pipeline
        | "Staged rows" >> beam.Create(list(files)).with_output_types(StagedFile)
        | "ReadStaged" >> ReadStaged(job.range_bytes is not None, job.progress)
    )
    build_tables(read, job)
