"""A stream on this machine, from a subscription in this process to its tables."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import google.cloud.pubsub as pubsub
import pytest
from google.api_core.exceptions import NotFound

from pipeline.alerts.bounds import Alerts
from pipeline.errors import RunError
from pipeline.graphs.streaming_graph import StreamJob
from pipeline.launch import stream_here
from pipeline.launch.stream_here import run_stream
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.run_ids import new_stream
from pipeline.webhook import Webhook
from tests.support.runs import comparable, read_all
from tests.support.state import mismatches
from tests.support.streams import message
from tests.support.subscriptions import Subscription
from tests.support.tables import NOW, Row, compute, csv_text, parse, row
from tests.support.webhooks import receiving
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES
from transforms.state import pipeline_runs
from transforms.state.pipeline_runs import RunState
from transforms.streaming import clock
from transforms.streaming.clock import GrowingClock
from transforms.vocabulary import EVENT_TYPES

_PATIENCE_SECONDS = 900


@dataclass
class Stream:
    """A stream that runs in a thread.

    Attributes:
        subscription: what it reads.
        database: what it writes.
        flush_seconds: how often.
        started_at: what it notes as its beginning, in UTC without a zone.
        alerts: what is told while it runs.
        error: what ended it; None while it runs, or where it was stopped.
    """

    subscription: Subscription
    database: Path
    error: BaseException | None = None
    flush_seconds: float = 0.2
    started_at: datetime = NOW
    alerts: Alerts | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        warehouse = open_warehouse(f"duckdb:///{self.database}")
        job = StreamJob(
            subscription="projects/project-1/subscriptions/events",
            warehouse=warehouse,
            run=new_stream(self.started_at),
            started_at=self.started_at,
            figures=FigureSettings(),
            flush_seconds=self.flush_seconds,
        )
        try:
            run_stream(job, None, None, self.alerts)
        except BaseException as error:
            self.error = error

    def publish(self, *rows: Row) -> None:
        self.subscription.publish(*(message(event).data for event in rows))

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds, while the stream runs."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert self._thread is not None
            assert self._thread.is_alive(), self.error
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def wait_for_acknowledged(self, messages: int) -> None:
        self.wait_for(lambda: len(self.subscription.acknowledged) >= messages)

    def end(self) -> None:
        self.stop.set()
        self.join()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS)
            assert not self._thread.is_alive()


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    found = Stream(Subscription(), tmp_path / "live.duckdb")

    @contextmanager
    def stopping(*_: object) -> Iterator[threading.Event]:
        yield found.stop

    # Signals are for the main thread alone.
    monkeypatch.setattr(stream_here, "_stopping", stopping)
    monkeypatch.setattr(pubsub, "SubscriberClient", found.subscription.client())
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    found.begin()
    yield found
    found.end()


def unlike_batch(database: Path, rows: Sequence[Row]) -> list[str]:
    tables = read_all(open_warehouse(f"duckdb:///{database}"))
    expected = compute([part.events for part in parse(csv_text(rows))], EVENT_TYPES)
    unlike = [
        name
        for name, found in expected.items()
        if not comparable(name, tables[name]).equals(
            comparable(name, found.cast(TABLES[name].arrow_schema))
        )
    ]
    return [*unlike, *mismatches(database)]


def noted(database: Path) -> RunState:
    (found,) = pipeline_runs.runs_of(
        open_warehouse(f"duckdb:///{database}").read(pipeline_runs.TABLE)
    )
    return found


@pytest.fixture
def full_stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        yield
        monkeypatch.undo()


@pytest.mark.usefixtures("full_stderr")
def test_an_idle_stream_acknowledges_what_it_has_committed_whatever_its_stderr(
    stream: Stream,
) -> None:
    rows = [row("2025-11-01T00:00:00Z", kind="miles_redeemed", amount="5"), row("never")]
    stream.publish(*rows, rows[0])
    stream.wait_for_acknowledged(3)
    assert unlike_batch(stream.database, rows[:1]) == []
    stream.end()
    assert stream.error is None
    assert sorted(stream.subscription.acknowledged) == ["0", "1", "2"]
    ended = noted(stream.database)
    assert (ended.outcome, ended.run.command, ended.message) == ("done", "stream", None)
    assert ended.counts is not None and ended.counts.input_rows == 3


def test_a_clock_that_steps_back_delays_and_falsifies_nothing(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() - behind[0])
    monkeypatch.setattr(clock, "_PROCESS", GrowingClock(time.time, time.monotonic), raising=False)
    rows = [row("2025-11-01T00:00:00Z"), row("2025-11-01T00:20:00Z", "bob")]
    rows += [row("2025-11-02T00:00:00Z", "cy"), row("2025-11-01T00:10:00Z")]
    stream.publish(*rows[:2])
    stream.wait_for_acknowledged(2)
    stream.publish(*rows[2:3])
    stream.wait_for(lambda: stream.subscription.is_empty)
    behind[0] = 3_600.0  # While timers wait that were set before.
    stream.publish(*rows[3:])
    stream.wait_for_acknowledged(4)
    assert unlike_batch(stream.database, rows) == []


def test_a_subscription_that_is_deleted_ends_the_stream_after_what_was_read(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row("2025-11-01T00:00:00Z"), row("2025-11-01T00:20:00Z", "bob")]
    stream.publish(*rows)
    stream.wait_for(lambda: stream.subscription.is_empty)
    stream.subscription.error = NotFound("Subscription does not exist")
    stream.join()
    assert isinstance(stream.error, RunError)
    assert "projects/project-1/subscriptions/events is gone: it was deleted" in str(stream.error)
    assert unlike_batch(stream.database, rows) == []
    assert "Stopped: 2 messages = 2 events" in capsys.readouterr().out
    ended = noted(stream.database)
    assert (ended.outcome, ended.message) == ("failed", str(stream.error))


def test_tables_that_somebody_has_changed_end_the_stream_and_nothing_is_acknowledged(
    stream: Stream,
) -> None:
    stream.publish(row("2025-11-01T00:00:00Z"))
    stream.wait_for_acknowledged(1)
    with duckdb.connect(str(stream.database)) as database:
        database.execute("DELETE FROM fct_events")
    stream.publish(row("2025-11-01T00:01:00Z"))
    stream.join()
    assert isinstance(stream.error, DataError)
    assert "and the user's timeline some: another program has changed one" in str(stream.error)
    assert stream.subscription.acknowledged == ["0"]
    assert stream.subscription.deadlines["1"] == 0
    ended = noted(stream.database)
    assert (ended.outcome, ended.message) == ("failed", str(stream.error))


def test_many_messages_are_flushed_before_their_time(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those that come behind them wait for theirs, or for the end."""
    stream.end()
    again = replace(stream, stop=threading.Event(), flush_seconds=86_400)
    monkeypatch.setattr(stream_here, "MANY", 3)
    monkeypatch.setattr(stream_here, "_stopping", lambda _: nullcontext(again.stop))
    again.begin()
    rows = [row(f"2025-11-01T00:00:0{second}Z") for second in range(5)]
    again.publish(*rows)
    again.wait_for_acknowledged(3)
    again.end()
    assert again.error is None
    assert len(again.subscription.acknowledged) == 5
    assert unlike_batch(again.database, rows) == []


def test_a_stream_tells_what_needs_a_person_while_it_runs(stream: Stream) -> None:
    stream.end()
    stream.stop.clear()
    # The one before has noted its counts, too: the last run is told by when it began.
    stream.started_at += timedelta(minutes=1)
    with receiving() as receiver:
        stream.alerts = Alerts(Webhook.parse(receiver.url), 5.0, None)
        stream.begin()
        stream.publish(row("2024-01-01T00:00:00Z"), row("never"))
        stream.wait_for(lambda: bool(receiver.got))
        stream.end()
        (message,) = receiver.got
    assert stream.error is None
    assert "1 of 2 input rows of the last run are dead letters (50.0 %" in message["text"]
