"""What a stream on one machine does: Pub/Sub's emulator to DuckDB, behind a history.

    python -m tests.benchmarks.local_stream speed|latency|flush [events of history]

`speed`: events/s from a subscription in which they wait to their commit. `latency`: seconds from
publishing to being in fct_events, at 100 events/s. `flush`: CPU seconds of a micro-batch of 500
messages, of which no emulator is needed, with all marts and without those that came last. All
behind a batch over 1,000,000 events.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final
from unittest import mock

import google.cloud.pubsub as pubsub

from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.emulators.servers import create_subscription, missing_pubsub, running_pubsub
from tests.support.breakages.statements import AGAIN
from tests.support.tables import row
from tests.support.updates import Home, messages_of
from transforms.kernels.messages import Message
from transforms.marts import fct_events
from transforms.marts.registry import FINISH

_HISTORY: Final = 1_000_000
_LIVE: Final = 200_000
_FLUSH_SECONDS: Final = 5
_FLUSH_EVENTS: Final = 500
# A stream takes so many micro-batches in, and a few to begin with: the difference is theirs.
_FLUSHES: Final = (2, 12)
_REPEATS: Final = 3
_SO_FAR: Final = re.compile(r"flush .* so far ([0-9,]+) messages")


@dataclass(frozen=True)
class Prepared:
    """A warehouse with a history, and an emulator.

    Attributes:
        url: the warehouse.
        topic, subscription: of the emulator.
        live: rows that came after the history.
    """

    url: str
    topic: str
    subscription: str
    live: Sequence[dict[str, str]]

    @contextmanager
    def streaming(self) -> Iterator[IO[str]]:
        """What a stream says, from where it reads."""
        words = ("stream", "--subscription", self.subscription, "--warehouse", self.url)
        with subprocess.Popen(
            [*_PIPELINE, *words, "--flush_seconds", str(_FLUSH_SECONDS)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        ) as stream:
            assert stream.stderr is not None
            while not stream.stderr.readline().startswith("Reading"):
                pass
            yield stream.stderr
            stream.send_signal(signal.SIGKILL)


_PIPELINE: Final = (sys.executable, "-m", "pipeline")


@contextmanager
def _prepared(history: int, live: int) -> Iterator[Prepared]:
    with tempfile.TemporaryDirectory() as folder, running_pubsub() as host:
        os.environ["PUBSUB_EMULATOR_HOST"] = host
        url = f"duckdb:///{folder}/growth.duckdb"
        rows = _behind(folder, url, history, live)
        topic, subscription = create_subscription(host)
        yield Prepared(url, topic, subscription, rows)


def _behind(folder: str, url: str, history: int, live: int) -> list[dict[str, str]]:
    """Fill a warehouse with a history; gives the rows that come after it."""
    path = Path(folder, "history.csv")
    write_sample(str(path), history + live, 7)
    rows = _parted(path, live)
    batch = ("batch", "--input", str(path), "--warehouse", url, "--quality", "off")
    subprocess.run([*_PIPELINE, *batch], check=True, stdout=subprocess.DEVNULL)
    return rows


def _parted(path: Path, live: int) -> list[dict[str, str]]:
    """Take the latest rows out of a sample; gives them."""
    head, *lines = path.read_bytes().splitlines(keepends=True)
    sound = sorted((line for line in lines if line[:2] == b"20"), key=lambda line: line[:19])
    cut = sound[-live][:19] if live else b"3"
    late = [line for line in sound if line[:19] >= cut]
    rest = [line for line in lines if line[:2] != b"20" or line[:19] < cut]
    path.write_bytes(b"".join([head, *rest]))
    return list(csv.DictReader(line.decode(errors="replace") for line in [head, *late]))


def speed(history: int) -> None:
    """Print events/s, once they wait in the subscription."""
    with _prepared(history, _LIVE) as home:
        publisher = pubsub.PublisherClient()
        for at in range(0, len(home.live), 1_000):
            part = home.live[at : at + 1_000]
            messages = [pubsub.types.PubsubMessage(data=json.dumps(x).encode()) for x in part]
            publisher.api.publish(topic=home.topic, messages=messages)
        with home.streaming() as said:
            began, committed = time.perf_counter(), 0
            while committed < len(home.live):
                found = _SO_FAR.match(line := said.readline())
                print(f"  {time.perf_counter() - began:.1f} s: {line}", end="")
                if found:
                    committed = int(found[1].replace(",", ""))
            seconds = time.perf_counter() - began
    print(
        f"{committed:,} events from Pub/Sub's emulator to DuckDB, behind {history:,}: "
        f"{seconds:.1f} s, {committed / seconds:,.0f} events/s"
    )


def latency(history: int, seconds: int = 60, rate: int = 100) -> None:
    """Print median and p95 of the seconds from publishing to being in fct_events."""
    with _prepared(history, 0) as home, home.streaming():
        waits = sorted(_waits(home, seconds * rate, rate))
    print(
        f"{len(waits):,} events at {rate}/s, behind {history:,}, flushed every {_FLUSH_SECONDS} s: "
        f"visible after {statistics.median(waits):.1f} s (median), "
        f"{waits[int(len(waits) * 0.95)]:.1f} s (p95)"
    )


def _waits(home: Prepared, events: int, rate: int) -> list[float]:
    warehouse = open_warehouse(home.url)
    before = warehouse.count(fct_events.TABLE) or 0
    publisher = pubsub.PublisherClient()
    published: list[float] = []
    waits: list[float] = []
    started = time.time()
    while len(waits) < events:
        due = min(int((time.time() - started) * rate), events)
        for number in range(len(published), due):
            at = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
            publisher.publish(home.topic, json.dumps(row(at, f"u{number % 500}")).encode())
            published.append(time.time())
        # Events are taken in the order in which they were published, a flush at a time.
        visible = (warehouse.count(fct_events.TABLE) or 0) - before
        now = time.time()
        waits += [now - at for at in published[len(waits) : visible]]
        time.sleep(0.05)
    return waits


def flush(history: int) -> None:
    """Print the CPU seconds of a micro-batch, all checks included."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "growth.duckdb")
        rows = _behind(folder, f"duckdb:///{home}", history, _FLUSH_EVENTS * _FLUSHES[-1])
        cuts = range(0, len(rows), _FLUSH_EVENTS)
        parts = [messages_of(rows[at : at + _FLUSH_EVENTS]) for at in cuts]
        _print_flush("with all marts", home, parts)
        kept = {name: rows_of for name, rows_of in FINISH.items() if name not in AGAIN}
        with mock.patch.dict(FINISH, kept, clear=True):
            _print_flush(f"without {len(AGAIN)} of them", home, parts)


def _print_flush(which: str, home: Path, parts: Sequence[Sequence[Message]]) -> None:
    few, many = _FLUSHES
    _stream_seconds(home, parts[:few])
    found = [
        (_stream_seconds(home, parts[:many]) - _stream_seconds(home, parts[:few])) / (many - few)
        for _ in range(_REPEATS)
    ]
    print(
        f"a flush of {_FLUSH_EVENTS} events {which}: "
        f"{', '.join(f'{seconds:.2f}' for seconds in found)} s of CPU"
    )


def _stream_seconds(home: Path, parts: Sequence[Sequence[Message]]) -> float:
    """The CPU seconds of a stream of some micro-batches into a copy of a warehouse."""
    work = home.with_name("work.duckdb")
    shutil.copy(home, work)
    began = time.process_time()
    with Home.at(work).streaming(quality="warn") as batches:
        for part in parts:
            batches.take_in(part)
    return time.process_time() - began


if __name__ == "__main__":
    what, *sizes = sys.argv[1:]
    if what != "flush" and (reason := missing_pubsub()) is not None:
        sys.exit(f"not measured: {reason}")
    measured = {"speed": speed, "latency": latency, "flush": flush}[what]
    measured(int(sizes[0]) if sizes else _HISTORY)
