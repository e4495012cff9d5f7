"""Run the batch graph: here or elsewhere to its end, with a summary, or handed over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.display.batch_summary import show_summary
from pipeline.display.progress_bar import show_progress
from pipeline.graphs.batch_graph import build
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.launch.beam_run import run_to_end, start
from pipeline.launch.dry_run import DryRun
from pipeline.launch.run_files import noted, read_report, with_staged
from pipeline.launch.runners import Runner
from pipeline.sinks.run_notes import failure_noted
from pipeline.summary_file import finish, forgiving
from pipeline.terminal import is_watched
from pipeline.warehouse import TableReader

# What is said of a run beside what went wrong behind it.
DONE: Final = "the tables are replaced"


def run_batch(
    job: BatchJob,
    runner: Runner,
    options: PipelineOptions,
    temp_location: str | None,
    summary_file: str | None,
) -> None:
    """Run the batch graph to its end, and print and write its summary.

    Args:
        job: what the run does; its staging folder is made here.
        runner: what runs the graph.
        options: of Beam.
        temp_location: where to stage; None for beside the warehouse.
        summary_file: where the summary is written; None for nowhere.

    Raises:
        RunError, or a runner's error around it: if another run writes to the warehouse, or the
            run failed.
    """
    report = None
    with (
        forgiving(DONE) as is_done,
        noted(runner.local and is_watched(sys.stderr)) as progress,
        job.warehouse.lock(written(job.quality), temp_location, job.run) as staging,
    ):
        job = replace(with_staged(job, job.warehouse, staging), progress=progress)
        with (
            show_progress(progress, sum(file.size for file in job.files)),
            failure_noted(job.warehouse, job.noted, staging),
        ):
            run_to_end(partial(build, job=job), options)
            is_done()
        report = read_report(job.report_path)
    if report is not None:
        show = partial(show_summary, report, job.warehouse, job.files)
        finish(report.to_json(), summary_file, DONE, show)


def hand_over(
    job: BatchJob,
    options: PipelineOptions,
    temp_location: str | None,
    dry_run: DryRun,
    lay: Callable[[beam.Pipeline, BatchJob], None] = build,
    looked_up: Callable[[BatchJob, TableReader, str], BatchJob] = with_staged,
) -> None:
    """Start a graph over files as a job that goes on when this process is gone.

    Args:
        job: what the run does; its staging folder is made here.
        options: of Beam.
        temp_location: where to stage.
        dry_run: whether nothing may be started or written.
        lay: lays the graph into a pipeline.
        looked_up: gives the run what its workers look up, as `with_staged`.

    Raises:
        RunError: if the warehouse can't be read or written.
    """
    writer, reader = dry_run.writer(job.warehouse), dry_run.reader(job.warehouse)
    if writer is None:
        staging = dry_run.folder(temp_location, job.run)
    else:
        staging = writer.claim(written(job.quality), temp_location, job.run)
    job = replace(job, staging=staging)
    if reader is not None:
        job = looked_up(job, reader, staging)
    start(lambda pipeline: lay(pipeline, job), options)
