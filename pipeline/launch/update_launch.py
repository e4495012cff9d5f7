"""Run an update: here or elsewhere to its end, with a summary, or handed over."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.display.progress_bar import show_progress
from pipeline.display.update_summary import nothing_new, show_update
from pipeline.graphs.batch_graph import BatchJob, written
from pipeline.graphs.known_dead_letters import stage_known
from pipeline.graphs.update_graph import build
from pipeline.launch.batch_launch import hand_over, noted, read_report, run_batch, with_staged
from pipeline.launch.beam_run import run_to_end
from pipeline.launch.dry_run import DryRun
from pipeline.launch.new_files import Asked, Increment, increment_of
from pipeline.launch.runners import Runner
from pipeline.moments import utc_now
from pipeline.reports import UpdateReport
from pipeline.sinks.run_notes import failure_noted, note_written_anew, refusal_noted
from pipeline.summary_file import finish, forgiving
from pipeline.terminal import is_watched, print_line
from pipeline.warehouse import TableReader
from transforms.kernels.run_counts import RunCounts

# What is said of a run beside what went wrong behind it.
DONE = "the tables are updated"


def run_update(
    job: BatchJob,
    asked: Asked,
    runner: Runner,
    options: PipelineOptions,
    temp_location: str | None,
    summary_file: str | None,
) -> None:
    """Load the files that are new, and print and write a summary.

    Into a warehouse that holds nothing it is a batch; without a new file nothing is written but
    that one holds the same which was written anew.

    Args:
        job: what the run does, over all files that are named.
        asked: what the command line says beside them.
        runner: what runs the graph.
        options: of Beam.
        temp_location: where to stage; None for beside the warehouse.
        summary_file: where the summary is written; None for nowhere.

    Raises:
        OptionError, RunError, or a runner's error around it: as `increment_of` says, if another
            run writes to the warehouse, or the run failed.
    """
    # Without the lock, which would write: most runs of a schedule that is too dense find nothing.
    with refusal_noted(job.warehouse, job.noted):
        increment = increment_of(job, asked)
    if increment.is_first:
        run_batch(increment.job, runner, options, temp_location, summary_file)
        return
    report = None
    if increment.job.files or increment.written_anew:
        increment, report = _run(job, asked, runner, options, temp_location)
    if not increment.job.files:
        report = UpdateReport(RunCounts(), {}, _seconds(job), known_files=increment.known)
    if report is not None:
        show = partial(show_update, report, job.warehouse, increment.job.files)
        done = DONE if increment.job.files else "no file was new"
        finish(report.to_json(), summary_file, done, show)


def _run(
    job: BatchJob,
    asked: Asked,
    runner: Runner,
    options: PipelineOptions,
    temp_location: str | None,
) -> tuple[Increment, UpdateReport | None]:
    """Run the graph over what is new once nobody else writes; gives what that was."""
    report = None
    with (
        forgiving(DONE) as is_done,
        noted(runner.local and is_watched(sys.stderr)) as progress,
        job.warehouse.lock(written(job.quality), temp_location, job.run) as staging,
    ):
        with failure_noted(job.warehouse, job.noted, staging):
            increment = increment_of(job, asked)
            if increment.written_anew:
                note_written_anew(job.warehouse, increment.written_anew, job.run, staging)
        if increment.job.files:
            job = _with_staged(increment.job, job.warehouse, staging)
            job = replace(job, progress=progress)
            with (
                show_progress(progress, sum(file.size for file in job.files)),
                failure_noted(job.warehouse, job.noted, staging),
            ):
                run_to_end(partial(build, job=job), options)
                is_done()
            found = read_report(job.report_path)
            report = UpdateReport(
                found.counts,
                found.tables,
                found.seconds,
                found.quality,
                new_files=len(job.files),
                known_files=increment.known,
            )
    return increment, report


def _with_staged(job: BatchJob, reader: TableReader, staging: str) -> BatchJob:
    """As `with_staged`, and with the dead letters of its files that the warehouse has."""
    paths = [file.path for file in job.files]
    known = stage_known(job.warehouse, paths, staging)
    return replace(with_staged(job, reader, staging), known_dead_letters=known)


def _seconds(job: BatchJob) -> float:
    now = utc_now()
    return max((now - job.started_at).total_seconds(), 0.0)


def hand_over_update(
    job: BatchJob,
    asked: Asked,
    options: PipelineOptions,
    temp_location: str | None,
    dry_run: DryRun,
) -> None:
    """Start the graph of an update as a job that goes on when this process is gone, if a file is
    new.

    Args:
        job, asked, options, temp_location: as in `run_update`.
        dry_run: whether nothing may be started or written.

    Raises:
        OptionError, RunError: as `increment_of` says, or if the warehouse can't be written.
    """
    if not dry_run.offline:
        with nullcontext() if dry_run.asked else refusal_noted(job.warehouse, job.noted):
            increment = increment_of(job, asked)
        job = increment.job
        if increment.is_first:
            hand_over(job, options, temp_location, dry_run)
            return
        if not job.files:
            print_line(nothing_new(increment.known))
            return
    hand_over(job, options, temp_location, dry_run, build, _with_staged)
