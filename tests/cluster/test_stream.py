"""A stream on a Flink cluster, with processes of it killed: it ends as a batch over everything."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import google.cloud.pubsub as pubsub
import pytest

from pipeline.sample import write_sample
from tests.cluster import holding
from tests.cluster.cluster import Cluster
from tests.emulators.conftest import required
from tests.emulators.servers import PROJECT, missing_pubsub
from tests.emulators.support import Home, unlike
from tests.support.runs import PATIENCE_SECONDS, command, contents, process_environment

_CHECKPOINT_MS = 2_000
# Dead letters say where they come from, and may be there twice behind a restart.
_APART = ["dead_letter_events"]


@dataclass
class Stream:
    """A stream that runs on the cluster.

    Attributes:
        cluster: the cluster.
        home: its dataset.
        run: the command's process.
        log: what it prints.
        topic: where its messages are published.
        subscription: from where it reads them.
    """

    cluster: Cluster
    home: Home
    run: subprocess.Popen[bytes]
    log: Path
    topic: str
    subscription: str

    def publish(self, rows: Sequence[dict[str, str]]) -> None:
        """Publish events as messages."""
        with pubsub.PublisherClient() as publisher:
            for sent in [publisher.publish(self.topic, json.dumps(row).encode()) for row in rows]:
                sent.result()

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds; the stream must live meanwhile."""
        deadline = time.monotonic() + PATIENCE_SECONDS / 2
        while not holds():
            assert self.run.poll() is None, self.log.read_text() + self.cluster.logs()
            assert time.monotonic() < deadline, f"{what}: {self.log.read_text()}"
            time.sleep(0.5)

    @contextmanager
    def restarting(self) -> Iterator[None]:
        """The job loses somebody inside, goes back to its last checkpoint, and takes others.

        Whoever is killed while it starts again is waited for without an end: Beam's pools tell
        nobody of a worker that leaves before it has come.
        """
        restored = self.cluster.checkpoints()["restored"]
        yield
        self.wait_until(
            lambda: self.cluster.checkpoints()["restored"] > restored, "nothing was restored"
        )
        self.pass_checkpoints(1)

    def pass_checkpoints(self, number: int) -> None:
        """Wait until so many more are completed."""
        wanted = self.cluster.checkpoints()["completed"] + number
        self.wait_until(
            lambda: self.cluster.checkpoints()["completed"] >= wanted, "no further checkpoint"
        )

    def not_acknowledged(self) -> int:
        """How many messages would come again; the stream has ended."""
        with pubsub.SubscriberClient() as client:
            self._let_come_again(client)
            request = {
                "subscription": self.subscription,
                "max_messages": 1_000,
                "return_immediately": True,
            }
            return len(client.pull(request=request).received_messages)

    def acknowledge(self) -> None:
        """Let the stream take what killed workers have on lease, and acknowledge it: behind the
        second checkpoint that holds it."""
        with pubsub.SubscriberClient() as client:
            self._let_come_again(client)
        self.pass_checkpoints(6)

    def _let_come_again(self, client: pubsub.SubscriberClient) -> None:
        client.seek(request={"subscription": self.subscription, "time": {"seconds": 1}})

    def kill_at(self, point: str, rows: Sequence[dict[str, str]]) -> None:
        """Publish events, and kill the worker that commits them, at a point of that."""
        self.cluster.hold(point)
        self.publish(rows)
        worker = self.cluster.held_at(point, self.run)
        with self.restarting():
            os.kill(worker, signal.SIGKILL)
            self.cluster.release()


@pytest.fixture
def parts(tmp_path: Path) -> list[list[dict[str, str]]]:
    """A history, and parts of what follows: in any order, some events twice, also across parts."""
    write_sample(str(tmp_path / "sample.csv"), 1_500, 5)
    with (tmp_path / "sample.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if None not in row and None not in row.values()]
    history, live = rows[:700], [dict(row) for row in rows[650:]]
    chance = random.Random(7)
    live += chance.sample(live, 60)
    chance.shuffle(live)
    size = len(live) // 6 + 1
    return [history, *(live[at : at + size] for at in range(0, len(live), size))]


def written(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def expected(parts: list[list[dict[str, str]]], tmp_path: Path) -> Path:
    """The DuckDB file of a batch over everything."""
    everything = written(tmp_path / "all.csv", [row for part in parts for row in part])
    found = tmp_path / "all.duckdb"
    whole = command(
        *("batch", "--input", str(everything), "--warehouse", f"duckdb:///{found}"), cwd=tmp_path
    )
    assert whole.returncode == 0, whole.stderr
    return found


@contextmanager
def streaming(cluster: Cluster, home: Home, folder: Path) -> Iterator[Stream]:
    """A stream on the cluster into a dataset, which is cancelled in the end."""
    topic = f"projects/{PROJECT}/topics/{home.dataset}"
    subscription = topic.replace("/topics/", "/subscriptions/")
    with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
        publisher.create_topic(name=topic)
        subscriber.create_subscription(name=subscription, topic=topic)
    log = folder / "stream.log"
    with log.open("w") as output:
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "stream", "--subscription", subscription),
                *("--warehouse", home.url, "--temp_location", home.temp),
                *("--late_horizon_days", "3650", "--flush_seconds", "1", *cluster.options),
                *("--checkpointing_interval", str(_CHECKPOINT_MS)),
            ],
            cwd=folder,
            env=process_environment(**home.servers.environment),
            stdout=output,
            stderr=output,
        )
    try:
        yield Stream(cluster, home, run, log, topic, subscription)
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait(PATIENCE_SECONDS)


@pytest.mark.usefixtures("here")
def test_a_stream_goes_on_whoever_is_killed_and_ends_as_a_batch_over_everything(
    cluster: Cluster,
    home: Home,
    parts: list[list[dict[str, str]]],
    expected: Path,
    tmp_path: Path,
) -> None:
    required(missing_pubsub())
    history, first, second, third, fourth, fifth, last = parts
    before = home.batch(written(tmp_path / "history.csv", history))
    assert before.returncode == 0, before.stderr
    held = home.rows("fct_events").num_rows
    with streaming(cluster, home, tmp_path) as stream:
        stream.publish(first)
        stream.wait_until(lambda: home.rows("fct_events").num_rows > held, "no flush")
        stream.publish(second)
        with stream.restarting():
            cluster.kill_task_manager()
            cluster.start_task_manager()
        stream.publish(third)
        with stream.restarting():
            os.kill(cluster.workers()[-1], signal.SIGKILL)
        stream.kill_at(holding.SEALED, fourth)
        stream.kill_at(holding.FLUSHED, fifth)
        stream.publish(last)
        whole = contents(expected)
        stream.wait_until(
            lambda: set(unlike(home.contents(), whole)) <= set(_APART), "tables differ"
        )
        assert cluster.restarts() == cluster.checkpoints()["restored"] == 4
        stream.acknowledge()
    assert stream.not_acknowledged() == 0
