"""The streaming graph on a portable runner, with state over gRPC: on Prism."""

from __future__ import annotations

import functools
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import google.cloud.pubsub as pubsub
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.runners.runner import PipelineState
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import Duration

from pipeline.graphs.streaming_graph import StreamJob, build
from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.runners import Runner
from pipeline.sinks import commit_flushes, stage_flushes
from pipeline.warehouse import open_warehouse
from tests.emulators.conftest import required
from tests.emulators.install import PRISM, missing_prism
from tests.emulators.servers import PROJECT, missing_pubsub
from tests.emulators.support import Home as Dataset
from tests.emulators.support import unlike
from tests.support.runs import PATIENCE_SECONDS, command, contents, process_environment
from tests.support.streams import message, staged_start_of
from tests.support.tables import NOW, csv_text, row
from tests.support.updates import Home, differing
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES
from transforms.streaming import sums

DAYS = 3_650
_PATIENCE_SECONDS = 300


def at(minute: int, user: str = "ann") -> dict[str, str]:
    return row(f"2025-12-30T{minute // 60:02}:{minute % 60:02}:00Z", user)


class _OneByOne(RestrictionProvider):
    def initial_restriction(self, _: object) -> OffsetRange:
        return OffsetRange(0, 1 << 40)

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, _: object, restriction: OffsetRange) -> int:
        return int(restriction.size())


_TRACKER = beam.DoFn.RestrictionParam(_OneByOne())


class _Deliver(beam.DoFn):
    """Gives bundles of messages, each once all before it is committed, and ends behind the last:
    timers that are pending where the input ends are dropped."""

    def __init__(self, committed: str):
        self._committed, self._ends_at = committed, time.time() + _PATIENCE_SECONDS

    def process(
        self, bundles: list[list[PubsubMessage]], tracker: OffsetRestrictionTracker = _TRACKER
    ) -> Iterator[PubsubMessage]:
        number = tracker.current_restriction().start
        may_go_on = number == 0 or Path(f"{self._committed}{number}").exists()
        if (number == len(bundles) and may_go_on) or time.time() > self._ends_at:
            tracker.try_claim(1 << 40)
        elif not may_go_on:
            tracker.defer_remainder(Duration(0.2))
        elif tracker.try_claim(number):
            yield from bundles[number]
            tracker.defer_remainder()


def _note(_: object, database: str, rows: list[list[dict[str, str]]], committed: str) -> None:
    """Behind each commit, in its thread: see how much of all is in the tables."""
    for number in range(1, len(rows)):
        if not differing(Path(database), [row for part in rows[: number + 1] for row in part]):
            Path(f"{committed}{number}").touch()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let steps with state take some time for each element, as on a busy machine: Prism splits the
    bundles of which nothing moves for some tenths of a second, if it may."""
    for kind in (commit_flushes.CommitStep, stage_flushes._Stage, sums._SumShard):
        monkeypatch.setattr(kind, "process", _slowly(kind.process))


def _slowly(process: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(process)
    def slowly(*arguments: Any) -> None:
        time.sleep(0.3)
        process(*arguments)

    return slowly


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    required(missing_prism())
    with (tmp_path / "prism.log").open("wb") as log:
        prism = subprocess.Popen(
            [PRISM, "--job_port", str(port), "--serve_http=false"], stdout=log, stderr=log
        )
    try:
        while True:
            with socket.socket() as found:
                if found.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert prism.poll() is None
            time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        prism.kill()
        prism.wait()


@pytest.mark.usefixtures("slow")
def test_a_stream_that_begins_with_its_tables_ends_in_those_of_one_batch(
    tmp_path: Path, endpoint: str
) -> None:
    database = tmp_path / "growth.duckdb"
    history = [at(0), at(40), at(90), at(5, "bob")]
    live = [[at(20), at(95), at(40)], [at(6, "bob"), at(30), at(20), at(7, "cy")]]
    Home.at(database).batch(history)
    warehouse = open_warehouse(f"duckdb:///{database}")
    with warehouse.lock(tuple(TABLES.values()), None, "stream") as staging:
        job = StreamJob(
            subscription="projects/p/subscriptions/s",
            warehouse=warehouse,
            run="stream",
            figures=FigureSettings(),
            started_at=NOW,
            staging=staging,
            late_horizon_days=DAYS,
            flush_seconds=1,
            shards=1,
            start=staged_start_of(warehouse, staging, DAYS),
        )
        pipeline = beam.Pipeline(
            options=pipeline_options(
                Runner("PortableRunner", local=False, workers=None),
                [f"--job_endpoint={endpoint}", "--streaming", "--environment_type=LOOPBACK"],
            )
        )
        committed = str(tmp_path / "committed-")
        bundles = [[message(event) for event in part] for part in live]
        source = pipeline | beam.Create([bundles], reshuffle=False)
        reports = build(source | beam.ParDo(_Deliver(committed)), job)
        reports | beam.Map(_note, str(database), [history, *live], committed)
        assert pipeline.run().wait_until_finish() == PipelineState.DONE
    assert differing(database, [*history, *live[0], *live[1]]) == []


def _acknowledged(subscription: str, wanted: set[str]) -> bool:
    """Whether of some messages, by their data, none would come again."""
    with pubsub.SubscriberClient() as client:
        client.seek(request={"subscription": subscription, "time": {"seconds": 1}})
        request = {
            "subscription": subscription,
            "max_messages": 1_000,
            "return_immediately": True,
        }
        found = client.pull(request=request).received_messages
        ack_ids = [message.ack_id for message in found]
        if ack_ids:
            client.modify_ack_deadline(
                subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=0
            )
    return not wanted & {message.message.data.decode() for message in found}


@pytest.mark.usefixtures("here")
def test_the_command_reads_a_subscription_on_another_runner_and_acknowledges_what_is_durable(
    home: Dataset, endpoint: str, tmp_path: Path
) -> None:
    required(missing_pubsub())
    topic, letters = (
        f"projects/{PROJECT}/topics/{home.dataset}{part}" for part in ("", "-letters")
    )
    subscription = topic.replace("/topics/", "/subscriptions/")
    history, live = [at(0), at(40), at(5, "bob")], [at(20), at(95), at(40), at(7, "cy")]
    (tmp_path / "history.csv").write_bytes(csv_text(history))
    (tmp_path / "all.csv").write_bytes(csv_text([*history, *live]))
    before = home.batch(tmp_path / "history.csv")
    assert before.returncode == 0, before.stderr
    published = {json.dumps(event) for event in live} | {"no event"}
    with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
        for name in (topic, letters):
            publisher.create_topic(name=name)
        subscriber.create_subscription(name=subscription, topic=topic)
        for data in published:
            publisher.publish(topic, data.encode()).result()
    stderr = tmp_path / "stderr"
    with stderr.open("w") as output:
        stream = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "stream", "--subscription", subscription),
                *("--warehouse", home.url, "--temp_location", home.temp),
                *("--dead_letter_topic", letters, "--late_horizon_days", str(DAYS)),
                *("--runner", "PortableRunner", "--job_endpoint", endpoint),
                *("--environment_type", "LOOPBACK", "--flush_seconds", "1"),
            ],
            cwd=tmp_path,
            env=process_environment(**home.servers.environment),
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (
            home.rows("fct_events").num_rows == 6
            and home.rows("dead_letter_events").num_rows == 1
            and _acknowledged(subscription, published)
        ):
            assert stream.poll() is None, stderr.read_text()
            assert time.monotonic() < deadline, stderr.read_text()
            time.sleep(1)
        stream.send_signal(signal.SIGTERM)
        assert stream.wait(PATIENCE_SECONDS) == 130
    finally:
        stream.kill()
        stream.wait()
    assert "Cancelled: what the job had taken and not flushed" in stderr.read_text()
    whole = command(
        *("batch", "--input", "all.csv", "--warehouse", "duckdb:///all.duckdb"), cwd=tmp_path
    )
    assert whole.returncode == 0, whole.stderr
    expected = contents(tmp_path / "all.duckdb")
    assert unlike(home.contents(), expected) == ["dead_letter_events"]
