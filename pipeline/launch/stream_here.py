"""Run a stream in this process, a commit for each micro-batch, until a signal stops it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Final

import pyarrow as pa

from pipeline.alerts.bounds import Alerts
from pipeline.alerts.watch import Watch
from pipeline.display.stream_summary import FlushLines, show_stream_summary
from pipeline.errors import RunError
from pipeline.graphs.streaming_graph import STREAMED, StreamJob
from pipeline.launch.stream_start import note_beginning, warm
from pipeline.micro_batches.micro_batch import MicroBatches
from pipeline.pubsub.dead_letter_topic import DeadLetterTopic
from pipeline.pubsub.local_subscriber import LeasedMessages
from pipeline.pubsub.subscription_calls import Pulled
from pipeline.reports import FlushReport
from pipeline.sinks.run_notes import failure_noted, record_end, record_failure
from pipeline.sinks.run_rows import how_far
from pipeline.summary_file import forgiving
from pipeline.terminal import print_error
from transforms.figure_settings import AskedFigures

# A flush does not wait for its time when so many messages wait: it costs 0.7 s of a core, and each
# message in it 60 us.
MANY: Final = 50_000
_LEAVING_SECONDS: Final = 5
# How soon a signal is seen.
_LOOK_SECONDS: Final = 0.2


def run_stream(
    job: StreamJob,
    asked: AskedFigures | None,
    temp_location: str | None,
    alerts: Alerts | None = None,
) -> None:
    """Take messages in until SIGINT or SIGTERM, and print a summary.

    Args:
        job: what the run does; its staging folder is made here, and its warehouse says who was
            forgotten.
        asked: what the command line says of event types; None for those of the tables.
        temp_location: where to stage; None for beside the warehouse.
        alerts: what is to be told while it runs; None for nothing.

    Raises:
        OptionError: if the tables were built with other event types.
        RunError: if another run writes to the warehouse, its state does not fit its tables, or the
            run failed.
    """
    with job.warehouse.lock(STREAMED, temp_location, job.run) as staging:
        # Once it holds the warehouse, which clears what a stream left behind that was killed.
        job, before = warm(replace(job, staging=staging), asked)
        with failure_noted(job.warehouse, job.noted, staging):
            note_beginning(job)
            with closing(MicroBatches(job, before, _publish(job))) as batches:
                report, failure = _until_stopped(job, batches, Watch(alerts, job.warehouse))
        if failure is None:
            record_end(job.warehouse, how_far(job.noted, "done", report.counts), staging)
        else:
            failed = how_far(job.noted, "failed", report.counts, str(failure))
            record_failure(job.warehouse, failed, staging, failure)
        with forgiving("the stream has stopped") as is_done:
            is_done()
            show_stream_summary(report, job.warehouse, job.figures.reckoning)
        if failure is not None:
            raise failure


def _publish(job: StreamJob) -> Callable[[pa.Table], None]:
    """What is done with dead letters before they are committed."""
    if job.dead_letter_topic is None:
        return lambda _: None
    return DeadLetterTopic(job.dead_letter_topic).publish


def _until_stopped(
    job: StreamJob, batches: MicroBatches, watch: Watch
) -> tuple[FlushReport, RunError | None]:
    """Flush until a signal comes, or no more can be read, and all that was read is committed.

    Returns:
        The last flush's report, and why no more could be read.
    """
    with LeasedMessages(job.subscription) as messages, _stopping(messages.release) as stop:
        flushes = _Flushes(batches, messages)
        print_error(f"Reading {job.subscription}; Ctrl-C stops")
        due = time.monotonic() + job.flush_seconds
        while not stop.is_set() and messages.failure is None:
            waiting = messages.wait(MANY, _LOOK_SECONDS)
            now = time.monotonic()
            if waiting and (now >= due or waiting >= MANY or messages.is_full):
                due = now + job.flush_seconds
                flushes.flush(messages.take(MANY))
                watch.flushed()
            watch.look_when_due()
        messages.close()
        while taken := messages.take(MANY):
            flushes.flush(taken)
    return flushes.last, messages.failure


class _Flushes:
    """Commits what was pulled, tells what has become of it, and only then acknowledges it.

    Attributes:
        last: the report of the last one.
    """

    def __init__(self, batches: MicroBatches, messages: LeasedMessages):
        self._batches, self._messages = batches, messages
        self._lines = FlushLines()
        self.last = FlushReport()

    def flush(self, taken: Sequence[Pulled]) -> None:
        """Take messages in."""
        self.last = self._batches.take_in([pulled.message for pulled in taken])
        self._lines.show(self.last)
        self._messages.acknowledge(taken)


@contextmanager
def _stopping(leave: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the process.

    Args:
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
            "\nStopping: what was read is committed. Press Ctrl-C again to leave at once; then it "
            "is redelivered"
        )

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
