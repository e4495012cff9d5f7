"""Run the streaming command's graph with Beam: here until a signal stops it, or on Dataflow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineResult, PipelineRunner

from pipeline.display.stream_summary import FlushLines, show_stream_summary
from pipeline.errors import OptionError, RunError
from pipeline.graphs.staged_forgotten import stage_forgotten
from pipeline.graphs.streaming_graph import STREAMED, StreamJob, build
from pipeline.launch.beam_run import quiet_workers, start
from pipeline.launch.dry_run import DryRun
from pipeline.launch.receipts import Receipts
from pipeline.launch.stalls import StallWatch
from pipeline.pubsub.local_runner import LocalStreamRunner
from pipeline.pubsub.local_subscriber import LeasedMessages
from pipeline.reports import FlushReport
from pipeline.sinks.run_notes import failure_noted, record_end, record_failure
from pipeline.sinks.run_rows import how_far
from pipeline.summary_file import forgiving
from pipeline.terminal import print_error
from pipeline.warehouse import TableReader, Warehouse
from pipeline.warehouse.run_ids import begun, is_stream
from transforms.marts import dead_letter_events, fct_events, growth_drivers

_POLL_SECONDS: Final = 0.2
_LEAVING_SECONDS: Final = 5
# Beside three flushes: a commit may wait for a minute for who reads the file.
_STALL_SECONDS: Final = 90


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


def run_stream(job: StreamJob, options: PipelineOptions, temp_location: str | None) -> None:
    """Run the streaming graph in this process until SIGINT or SIGTERM, and print its summary.

    Args:
        job: what the run does; its staging folder is made here.
        options: of Beam.
        temp_location: where to stage; None for beside the warehouse.

    Raises:
        OptionError: if the warehouse holds rows already.
        RunError, or a runner's error around it: if another run writes to the warehouse, or the run
            failed.
    """
    with (
        job.warehouse.lock(STREAMED, temp_location, job.run) as staging,
        tempfile.TemporaryDirectory(prefix="growth-stream-") as folder,
    ):
        # Once it holds the warehouse, which clears what a stream left behind that was killed.
        refuse_warm(job.warehouse)
        job = _staged(job, staging)
        with failure_noted(job.warehouse, job.noted, staging):
            report, failure = _run_here(job, options, Path(folder, "report.json"))
        if failure is None:
            record_end(job.warehouse, how_far(job.noted, "done", report.counts), staging)
        else:
            failed = how_far(job.noted, "failed", report.counts, str(failure))
            record_failure(job.warehouse, failed, staging, failure)
        with forgiving("the stream has stopped") as is_done:
            is_done()
            show_stream_summary(report, job.warehouse)
        if failure is not None:
            raise failure


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


def _start(
    job: StreamJob,
    options: PipelineOptions,
    report: Path | None = None,
    runner: PipelineRunner | None = None,
) -> PipelineResult:
    def lay(pipeline: beam.Pipeline) -> None:
        messages = pipeline | "ReadFromPubSub" >> ReadFromPubSub(
            subscription=job.subscription, with_attributes=True
        )
        reports = build(messages, job)
        if report is not None:
            reports | "Report" >> beam.Map(_write, str(report))

    options.view_as(StandardOptions).streaming = True
    return start(lay, options, runner)


def _write(report: dict[str, Any], path: str) -> None:
    part = f"{path}.part"
    Path(part).write_text(json.dumps(report))
    os.replace(part, path)


def _run_here(
    job: StreamJob, options: PipelineOptions, path: Path
) -> tuple[FlushReport, RunError | None]:
    """Run in this process until a signal comes, or no more can be read, and all that was read is
    committed.

    Returns:
        The last flush's report, and why no more could be read.
    """

    def leave() -> None:
        messages.release()
        shutil.rmtree(path.parent, ignore_errors=True)

    with (
        LeasedMessages(job.subscription) as messages,
        quiet_workers(),
        _stopping(job.flush_seconds, leave) as stop,
    ):
        running = _Running(_start(job, options, path, LocalStreamRunner(messages)))
        flushes = _Flushes(path, messages, StallWatch(3 * job.flush_seconds + _STALL_SECONDS))
        print_error(f"Reading {job.subscription}; Ctrl-C stops")
        while not stop.is_set() and messages.failure is None:
            running.check()
            flushes.follow()
            stop.wait(_POLL_SECONDS)
        messages.is_open = False
        flushes.stalls.restart()
        while not flushes.hold_everything:
            running.check()
            flushes.follow()
            time.sleep(_POLL_SECONDS)
        running.result.cancel()
    return flushes.last, messages.failure


class _Running:
    """A pipeline that runs in threads of this process."""

    def __init__(self, result: PipelineResult):
        self.result = result
        self._error: BaseException | None = None
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            self.result.wait_until_finish()
        except BaseException as error:
            self._error = error

    def check(self) -> None:
        """Raise what ended the pipeline."""
        if self._error is not None:
            raise self._error


class _Flushes:
    """The reports of flushes as they come; what they commit is acknowledged."""

    def __init__(self, path: Path, messages: LeasedMessages, stalls: StallWatch):
        self._path, self._messages, self.stalls = path, messages, stalls
        self._receipts, self._lines = Receipts(), FlushLines()
        self.last = FlushReport(complete=True)

    def follow(self) -> None:
        """Take note of a new flush."""
        self._messages.renew()
        report = self._latest()
        if report.flush != self.last.flush:
            self._messages.acknowledge(self._receipts.committed(report))
            self.last = report
            self._lines.show(report)
            self.stalls.advanced()
        elif self.hold_everything:
            self.stalls.advanced()
        else:
            self.stalls.look(report, self._messages.handed_out)

    @property
    def hold_everything(self) -> bool:
        """Whether all that was handed out is in the tables."""
        read = self.last.counts.input_rows
        return bool(self.last.complete) and read == self._messages.handed_out

    def _latest(self) -> FlushReport:
        if not self._path.exists():
            return self.last
        return FlushReport.from_json(json.loads(self._path.read_text()))


@contextmanager
def _stopping(flush_seconds: float, leave: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process.

    Args:
        flush_seconds: how long a flush is gathered.
        leave: what is tried before the process ends, for a few seconds at most.
    """
    stop = threading.Event()

    def handle(*_: object) -> None:
        if stop.is_set():
            leaving = threading.Thread(target=leave, daemon=True)
            leaving.start()
            leaving.join(_LEAVING_SECONDS)
            os._exit(130)
        stop.set()
        print_error(
            f"\nStopping: what was read is flushed, which takes up to {3 * flush_seconds:.0f} s. "
            "Press Ctrl-C again to leave at once; then it is redelivered"
        )

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
