"""Start the graph of an update as a job that goes on when this process is gone."""

from __future__ import annotations

from contextlib import nullcontext

from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.display.update_summary import nothing_new
from pipeline.errors import OptionError
from pipeline.graphs.batch_job import BatchJob
from pipeline.graphs.update_graph import build
from pipeline.launch.dry_run import DryRun
from pipeline.launch.handover import hand_over
from pipeline.launch.new_files import Asked, increment_of
from pipeline.launch.run_files import with_known
from pipeline.paths import typed_command
from pipeline.sinks.run_notes import refusal_noted
from pipeline.terminal import print_line


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
        job: what the run does, over all files that are named.
        asked: what the command line says beside them.
        options: of Beam.
        temp_location: where to stage; None for beside the warehouse.
        dry_run: whether nothing may be started or written.

    Raises:
        OptionError, RunError: as `increment_of` says, if people were to be moved, or if the
            warehouse can't be written.
    """
    if not dry_run.offline:
        with nullcontext() if dry_run.asked else refusal_noted(job.warehouse, job.noted):
            increment = increment_of(job, asked)
        job = increment.job
        if increment.is_first:
            hand_over(job, options, temp_location, dry_run)
            return
        if increment.people is not None:
            url = job.warehouse.url
            raise OptionError(
                f"--people: it has pairs that {url} lacks, and a job that is handed over moves "
                f"nobody: run {typed_command('update', url)} with it on a machine first"
            )
        if not job.files:
            print_line(nothing_new(increment.known))
            return
    hand_over(job, options, temp_location, dry_run, build, with_known)
