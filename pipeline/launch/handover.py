"""Start a graph over files as a job that goes on when this process is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.graphs.batch_graph import build
from pipeline.graphs.batch_job import BatchJob, written
from pipeline.launch.beam_run import start
from pipeline.launch.dry_run import DryRun
from pipeline.launch.run_files import with_staged
from pipeline.warehouse import TableReader


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
