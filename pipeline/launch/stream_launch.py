"""Start the streaming graph as a job elsewhere, or in the place of one."""

from __future__ import annotations

from dataclasses import replace

from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult

from pipeline.errors import OptionError, RunError
from pipeline.graphs.staged_forgotten import stage_forgotten
from pipeline.graphs.staged_people import read_people, stage_people
from pipeline.graphs.staged_start import stage_start, staged_start
from pipeline.graphs.streaming_graph import STREAMED, StreamJob, build
from pipeline.launch.beam_run import start
from pipeline.launch.dry_run import DryRun
from pipeline.launch.process import Leaving, interrupted_by_sigterm
from pipeline.launch.runners import is_dataflow
from pipeline.launch.stream_start import begun_with
from pipeline.launch.tables_built import first_types, types_of_tables
from pipeline.paths import typed_command
from pipeline.pubsub.runner_source import read_subscription
from pipeline.terminal import print_error
from pipeline.warehouse import TableReader, Warehouse
from pipeline.warehouse.run_ids import begun, is_stream
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts import growth_drivers
from transforms.streaming.clock import microseconds, system_clock
from transforms.streaming.users import kept_us


def hand_over_stream(job: StreamJob, options: PipelineOptions) -> None:
    """Start the streaming graph as a job that goes on when this process is gone.

    Args:
        job: as `claimed` or `taken_over` gives it.
        options: of Beam.
    """
    _start(job, options)


def attend_stream(job: StreamJob, options: PipelineOptions) -> None:
    """Run the streaming graph on a runner that is no service, until it ends or Ctrl-C or SIGTERM
    cancels the job: it may live in this process, or in one that this one has started.

    Args:
        job: as `claimed` gives it.
        options: of Beam.

    Raises:
        KeyboardInterrupt: once it is cancelled.
        RunError, or a runner's error around it: if the run failed.
    """
    leaving = Leaving()
    result = _start(job, options)
    print_error(f"Reading {job.subscription}; Ctrl-C cancels the job")
    try:
        with interrupted_by_sigterm():
            result.wait_until_finish()
        leaving.code = 0
    except Exception:
        leaving.code = 1
        raise
    except KeyboardInterrupt:
        leaving.code = 130
        result.cancel()
        print_error(
            "\nCancelled: what the job had taken and not flushed has left the subscription. Let it "
            "go back to before the last flush (gcloud pubsub subscriptions seek NAME --time=...), "
            "and start the stream again: what is in the tables is dropped by its id"
        )
        raise


def claimed(
    job: StreamJob, asked: AskedFigures | None, temp_location: str | None, dry_run: DryRun
) -> StreamJob:
    """A new job with its staging folder, once it has claimed the tables, and with what they hold.

    Args:
        job: the stream.
        asked: what the command line says of event types; None for those of the tables.
        temp_location: below which folder to stage.
        dry_run: whether it is one.

    Raises:
        OptionError: if the tables were built with other event types.
        RunError: if the warehouse has no state that fits its tables, or can't be read or written.
    """
    if dry_run.reader(job.warehouse) is not None:  # Before anything is touched.
        job = replace(job, figures=begun_with(job.warehouse, asked)[0])
    writer = dry_run.writer(job.warehouse)
    if writer is None:
        return replace(job, staging=dry_run.folder(temp_location, job.run))
    job = _staged(job, writer.claim(STREAMED, temp_location, job.run))
    # Nobody else writes any more.
    types, before = begun_with(job.warehouse, asked)
    start = None
    if before is not None:
        print_error(f"Staging what {job.warehouse.url} holds of users and recent events")
        since_us = _horizon_us(job)
        start = stage_start(job.warehouse, job.staging, before, since_us, types, job.identified)
        _refuse_torn(job.warehouse, start.users.events, before.counters.events)
    return replace(job, figures=types, start=start)


def _refuse_torn(warehouse: TableReader, in_timelines: int, in_sums: int) -> None:
    """Raise RunError if the users' state is not that of the sums."""
    if in_timelines != in_sums:
        raise RunError(
            f"{warehouse.url} counts {in_timelines:,} events in user_timelines and {in_sums:,} in "
            "growth_counters: a stream that was lost between two flushes leaves them so. Build the "
            f"tables again from its stored events with {typed_command('rebuild', warehouse.url)}, "
            "and start the stream then"
        )


def _horizon_us(job: StreamJob) -> int:
    """Since when events can be repeated or come late, in microseconds since 1970-01-01."""
    return microseconds(system_clock) - kept_us(job.late_horizon_days)


def taken_over(
    job: StreamJob, asked: AskedFigures | None, temp_location: str | None, dry_run: DryRun
) -> StreamJob:
    """A job that takes the place of another one: it goes on under its run and in its folder, which
    are part of the job's state, as are the files that it has staged.

    Args:
        job, asked, temp_location, dry_run: as in `claimed`.

    Raises:
        OptionError: if there is no job to update, if its state can't be read, if the tables
            were built with other event types, or if some are new to the job.
        RunError: if the warehouse can't be read or written.
    """
    run = _updated(job.warehouse, dry_run)
    job = replace(job, run=run, started_at=begun(run) or job.started_at)
    if dry_run.reader(job.warehouse) is not None:
        types = types_of_tables(job.warehouse, asked)
        if types is not None:
            _refuse_new(types, types_of_tables(job.warehouse, None))
        job = replace(job, figures=types or first_types(asked))
    writer = dry_run.writer(job.warehouse)
    if writer is None:
        return replace(job, staging=dry_run.folder(temp_location, job.run))
    job = _staged(job, writer.resume(STREAMED, temp_location, job.run))
    return replace(job, start=staged_start(job.staging))


def _refuse_new(types: FigureSettings, noted: FigureSettings | None) -> None:
    """Raise OptionError for own types that are not noted: a job notes what it knows when it begins,
    and then no more."""
    if noted is not None and types.own != noted.own:
        more = ", ".join(name for name in types.own if name not in noted.own)
        raise OptionError(
            f"--update can't add event types to a job, and {more} are not known to its tables: "
            "drain the job, and start a new one with them"
        )


def _staged(job: StreamJob, staging: str) -> StreamJob:
    """A job with its staging folder, in which it has what it needs to know of the warehouse."""
    return replace(
        job,
        staging=staging,
        forgotten=stage_forgotten(job.warehouse, staging),
        people=stage_people(read_people(job.warehouse), staging),
    )


def _updated(warehouse: Warehouse, dry_run: DryRun) -> str:
    """The run of the job that is to be updated; any, where nobody may look."""
    if dry_run.offline:
        return "stream_unknown"
    last = warehouse.last_run()
    if last is None or not is_stream(last):
        written = f"were last written by the run {last}" if last else "are not there"
        raise OptionError(
            f"--update: no stream keeps the tables of {warehouse.url} true, they {written}; "
            "name the warehouse of the job to update, or leave out --update"
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
    standard = options.view_as(StandardOptions)
    standard.streaming = True
    source = (
        # Others have none of their own (apache/beam #32461).
        ReadFromPubSub(subscription=job.subscription, with_attributes=True)
        if is_dataflow(standard.runner)
        else read_subscription(job.subscription)
    )
    return start(lambda pipeline: build(pipeline | "ReadFromPubSub" >> source, job), options)
