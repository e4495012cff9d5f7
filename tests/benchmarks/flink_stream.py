"""A stream on a Flink cluster of this machine beside one in the command's own process, both from
Pub/Sub's emulator into BigQuery's, and how long it takes to go on when a TaskManager was killed.

python -m tests.benchmarks.flink_stream      # prints a Markdown table; make test-cluster first
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import google.cloud.pubsub as pubsub
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from pipeline.sample import write_sample
from tests.cluster.cluster import Cluster
from tests.cluster.cluster import running as running_cluster
from tests.emulators.servers import BUCKET, PROJECT, Servers
from tests.emulators.servers import running as running_emulators
from tests.support.runs import process_environment

_ROOT: Final = Path(__file__).parents[2]
_CHECKPOINT_MS: Final = 5_000
_FLUSH_SECONDS: Final = 5
_AT_ONCE: Final = 1_000


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.flink_stream", description=__doc__
    )
    parser.add_argument("--events", type=int, default=50_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        running_emulators() as servers,
        running_cluster(servers.environment) as cluster,
    ):
        os.environ.update(servers.environment)
        rows = _rows(Path(name, "events.csv"), options.events)
        on_flink = ("--checkpointing_interval", str(_CHECKPOINT_MS), *cluster.options)
        ways: Mapping[str, Sequence[str]] = {
            "Flink, two TaskManagers": on_flink,
            "the command's own process": (),
        }
        print("| a stream by | events | seconds | events/s |")
        print("|---|---|---|---|")
        for number, (way, more) in enumerate(ways.items()):
            stream = Streaming(servers, f"bench_{number}")
            stream.publish(rows)
            with stream.running(*more):
                began = time.monotonic()
                stream.wait_for(len(rows))
                seconds = time.monotonic() - began
                print(f"| {way} | {len(rows):,} | {seconds:.1f} | {len(rows) / seconds:,.0f} |")
                if more:
                    print(f"\n- {_recovery(cluster)}\n", flush=True)


class Streaming:
    """A stream from a subscription of its own into a dataset of its own.

    Args:
        servers: the emulators.
        name: of both.
    """

    def __init__(self, servers: Servers, name: str):
        self._name, self._servers = name, servers
        self._topic = f"projects/{PROJECT}/topics/{name}"
        self._subscription = self._topic.replace("/topics/", "/subscriptions/")
        options = {"api_endpoint": servers.bigquery}
        self._client = bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)
        with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
            publisher.create_topic(name=self._topic)
            subscriber.create_subscription(name=self._subscription, topic=self._topic)

    def publish(self, rows: Sequence[dict[str, str]]) -> None:
        """Publish events."""
        with pubsub.PublisherClient() as publisher:
            for at in range(0, len(rows), _AT_ONCE):
                data = [json.dumps(row).encode() for row in rows[at : at + _AT_ONCE]]
                messages = [pubsub.types.PubsubMessage(data=each) for each in data]
                publisher.api.publish(topic=self._topic, messages=messages)

    @contextmanager
    def running(self, *more: str) -> Iterator[None]:
        """The stream, from where it reads."""
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "stream"),
                *("--subscription", self._subscription, "--late_horizon_days", "3650"),
                *("--warehouse", f"bigquery://{PROJECT}/{self._name}"),
                *("--temp_location", f"gs://{BUCKET}/{self._name}"),
                *("--flush_seconds", str(_FLUSH_SECONDS), *more),
            ],
            env=process_environment(**self._servers.environment),
            cwd=_ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stderr is not None
            while not (line := run.stderr.readline()).startswith("Reading"):
                assert line, "the stream has ended"
            yield
            run.send_signal(signal.SIGTERM)

    def wait_for(self, messages: int) -> None:
        """Wait until the tables say what became of so many."""
        while self._committed() < messages:
            time.sleep(0.5)

    def _committed(self) -> int:
        (row,) = self._client.query(f"SELECT MAX(counts) AS found FROM {self._name}.pipeline_runs")
        return int(json.loads(row["found"] or "{}").get("input_rows", 0))


def _rows(path: Path, events: int) -> list[dict[str, str]]:
    """Lifelike events, in the order of their times."""
    write_sample(path, events + events // 5, 7)
    with path.open(newline="", errors="replace") as file:
        found = [row for row in csv.DictReader(file) if row["event_time"][:2] == "20"]
    return sorted(found, key=lambda row: row["event_time"])[:events]


def _recovery(cluster: Cluster) -> str:
    """Kill a TaskManager, and watch the job go on from its last checkpoint."""
    restored = cluster.checkpoints()["restored"]
    began = time.monotonic()
    cluster.kill_task_manager()
    cluster.start_task_manager()
    cluster.wait_until(lambda: cluster.checkpoints()["restored"] > restored)
    again = time.monotonic() - began
    completed = cluster.checkpoints()["completed"]
    cluster.wait_until(lambda: cluster.checkpoints()["completed"] > completed)
    done = time.monotonic() - began
    return (
        f"TaskManager killed: the job went back to its checkpoint after {again:.1f} s, and "
        f"completed the next one after {done:.1f} s, all steps at work"
    )


if __name__ == "__main__":
    main()
