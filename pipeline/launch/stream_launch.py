"""Start the streaming graph as a job elsewhere, or in the place of one."""

from __future__ import annotations

from dataclasses import replace

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from pipeline.errors import OptionError
from pipeline.graphs.staged_forgotten import stage_forgotten
from pipeline.graphs.streaming_graph import STREAMED, StreamJob, build
from pipeline.launch.beam_run import start
from pipeline.launch.dry_run import DryRun
from pipeline.warehouse import TableReader, Warehouse
from pipeline.warehouse.run_ids import begun, is_stream
from transforms.marts import dead_letter_events, fct_events, growth_drivers


def refuse_warm(warehouse: TableReader) -> None:
    """Raise OptionError if a warehouse holds rows: a new stream lacks the state behind them."""
    for table in (fct_events.TABLE, dead_letter_events.TABLE):
        rows = warehouse.count(table) or 0
        if rows:
            raise OptionError(
                f"--warehouse {warehouse.url} holds {rows:,} rows of {table.name} already: a "
                "stream that starts without the state behind them would put partial figures in the "
                "place of true ones; name an empty warehouse"
            )


def hand_over_stream(job: StreamJob, options: PipelineOptions) -> None:
    """Start the streaming graph as a job that goes on when this process is gone.

    Args:
        job: as `claimed` or `taken_over` gives it.
        options: of Beam.
    """
    _start(job, options)


def claimed(job: StreamJob, temp_location: str | None, dry_run: DryRun) -> StreamJob:
    """A new job with its staging folder, once it has claimed the tables.

    Raises:
        RunError: if the warehouse can't be written.
    """
    writer = dry_run.writer(job.warehouse)
    if writer is None:
        return replace(job, staging=dry_run.folder(temp_location, job.run))
    return _staged(job, writer.claim(STREAMED, temp_location, job.run))


def taken_over(job: StreamJob, temp_location: str | None, dry_run: DryRun) -> StreamJob:
    """A job that takes the place of another one: it goes on under its run and in its folder, which
    are part of the job's state, as are the files that it has staged.

    Raises:
        OptionError: if there is no job to update, or its state can't be read.
        RunError: if the warehouse can't be read or written.
    """
    run = _updated(job.warehouse, dry_run)
    job = replace(job, run=run, started_at=begun(run) or job.started_at)
    writer = dry_run.writer(job.warehouse)
    if writer is None:
        return replace(job, staging=dry_run.folder(temp_location, job.run))
    return _staged(job, writer.resume(STREAMED, temp_location, job.run))


def _staged(job: StreamJob, staging: str) -> StreamJob:
    """A job with its staging folder, in which it has what it needs to know of the warehouse."""
    return replace(job, staging=staging, forgotten=stage_forgotten(job.warehouse, staging))


def _updated(warehouse: Warehouse, dry_run: DryRun) -> str:
    """The run of the job that is to be updated; any, where nobody may look."""
    if dry_run.offline:
        return "stream_unknown"
    last = warehouse.last_run()
    if last is None or not is_stream(last):
        written = f"were last written by the run {last}" if last else "are not there"
        raise OptionError(
            f"--update: no stream keeps the tables of {warehouse.url} true, they {written}; "
            "name the warehouse of the job to update, or leave out --update and name an empty one"
        )
    _refuse_earlier_state(warehouse)
    return last


def _refuse_earlier_state(warehouse: TableReader) -> None:
    """Raise OptionError if a version before 0.2.0 started the job: its events have other ids."""
    columns = warehouse.columns([growth_drivers.TABLE]).get(growth_drivers.TABLE.name)
    if columns and "new_other_users" not in columns:
        raise OptionError(
            "--update: a version before 0.2.0 started this job, and this one can't read its state, "
            "in which events have other ids: drain the job, build the tables with batch from the "
            "same events, and start another stream"
        )


def _start(job: StreamJob, options: PipelineOptions) -> PipelineResult:
    def lay(pipeline: beam.Pipeline) -> None:
        messages = pipeline | "ReadFromPubSub" >> ReadFromPubSub(
            subscription=job.subscription, with_attributes=True
        )
        build(messages, job)

    options.view_as(StandardOptions).streaming = True
    return start(lay, options)
