"""CSV files replayed as Pub/Sub messages: in the order of event time, disturbed if wanted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import IO, Final, NamedTuple, Self, cast

import google.cloud.pubsub as pubsub

from pipeline.errors import RunError
from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import local_file
from pipeline.options.shared_options import LATE_HORIZON_DAYS
from pipeline.pubsub.resources import explained
from pipeline.terminal import print_error
from transforms.kernels.csv_header import read_header
from transforms.kernels.csv_records import read_blocks
from transforms.kernels.messages import CONTENT_TYPE, CSV
from transforms.kernels.records import MAX_RECORD_BYTES
from transforms.vocabulary import EARLIEST, SOURCE_COLUMNS

_SECONDS_PER_DAY: Final = 86_400
_EARLIEST: Final = EARLIEST.replace(tzinfo=UTC).timestamp()
# Published and not yet confirmed, at most.
_IN_FLIGHT: Final = 5_000


@dataclass(frozen=True)
class PublishPace:
    """How fast and how disturbed events are published.

    Attributes:
        speed: how much faster than life; 0 for as fast as it goes.
        shuffle_seconds: each event is delayed by up to so many seconds of event time, at random.
        repeat_pct: so many percent of the events are published a second time.
        seed: of what is random.
    """

    speed: float = 0.0
    shuffle_seconds: float = 0.0
    repeat_pct: float = 0.0
    seed: int = 7


class Outgoing(NamedTuple):
    """A message, and the instant of event time at which it is published, in seconds."""

    at: float
    number: int
    data: bytes
    is_csv: bool


def publish(paths: Sequence[str], topic: str, pace: PublishPace) -> int:
    """Publish the records of CSV files; returns how many messages there were.

    Raises:
        DataError: if a file can't be read as CSV.
        RunError: if a message can't be published.
    """
    records = _timed([item for path in paths for item in _records(path)])
    if (days := horizon_of(records, time.time())) is not None:
        print_error(
            f"the earliest event is {days - 1:,} days old: for a stream on Dataflow with less than "
            f"--late_horizon_days {days} it is a dead letter (too_late)"
        )
    messages = schedule(records, pace)
    with (
        explained(f"publish to {topic}", "roles/pubsub.publisher"),
        pubsub.PublisherClient() as client,
        Publisher(client, topic) as publisher,
    ):
        started, first = time.monotonic(), messages[0].at if messages else 0.0
        for message in messages:
            if pace.speed:
                due = started + (message.at - first) / pace.speed
                time.sleep(max(due - time.monotonic(), 0))
            publisher.publish(message.data, {CONTENT_TYPE: CSV} if message.is_csv else {})
    return len(messages)


def horizon_of(records: Iterable[Outgoing], now: float) -> int | None:
    """How many days back a stream must look to take them all, where it does not by itself.

    Args:
        records: what is to be published.
        now: in seconds since 1970-01-01.
    """
    earliest = min((record.at for record in records), default=now)
    days = int((now - earliest) // _SECONDS_PER_DAY)
    return None if days < LATE_HORIZON_DAYS else days + 1


class Publisher:
    """Publishes messages, some thousand at a time; at the end of its context all are confirmed.

    Args:
        client: of Pub/Sub.
        topic: where to.
    """

    def __init__(self, client: pubsub.PublisherClient, topic: str):
        self._client, self._topic = client, topic
        self._pending: list[Future[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._confirm()

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Send a message."""
        self._pending.append(self._client.publish(self._topic, data, **attributes))
        if len(self._pending) >= _IN_FLIGHT:
            self._confirm()

    def _confirm(self) -> None:
        for future in self._pending:
            future.result()
        self._pending.clear()


def schedule(records: Sequence[Outgoing], pace: PublishPace) -> list[Outgoing]:
    """Records in the order in which they are published, delayed and repeated."""
    random = Random(pace.seed)
    planned: list[Outgoing] = []
    for record in records:
        times = 2 if random.uniform(0, 100) < pace.repeat_pct else 1
        for _ in range(times):
            delay = random.uniform(0, pace.shuffle_seconds)
            planned.append(record._replace(at=record.at + delay, number=len(planned)))
    return sorted(planned)


def _timed(records: Sequence[Outgoing]) -> list[Outgoing]:
    """Records of which those before the first readable time go out with the earliest one."""
    earliest = min((record.at for record in records if record.at), default=0.0)
    return [record._replace(at=record.at or earliest) for record in records]


def _records(path: str) -> Iterator[Outgoing]:
    try:
        with opened(local_file(path)) as found:
            stream = cast(IO[bytes], found)
            header = read_header(stream, path)
            if header is None:
                return
            stream.seek(header.length)
            at = 0.0
            for block in read_blocks(stream, header, path, header.length, None):
                for row, texts in enumerate(
                    zip(*(column.to_pylist() for column in block.columns), strict=True)
                ):
                    # What has no possible time goes out with the record before it: one of 1970
                    # would let the others wait for their turn for half a century.
                    at = _seconds(texts[0], at)
                    fields = dict(zip(SOURCE_COLUMNS, texts, strict=True))
                    yield Outgoing(at, row, json.dumps(fields).encode(), is_csv=False)
                for record in block.unreadable:
                    if record.size is not None:
                        raise RunError(
                            f"{path}: the record at byte {record.position} has {record.size:,} "
                            f"bytes, more than the {MAX_RECORD_BYTES:,} of a message: remove it, "
                            "and run again"
                        )
                    yield Outgoing(at, 0, record.payload, is_csv=True)
    except OSError as error:
        raise RunError(f"can't read {path}: {error}; check the file, and run again") from error


def _seconds(text: str, otherwise: float) -> float:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return otherwise
    at = found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    return at if _EARLIEST <= at <= time.time() + _SECONDS_PER_DAY else otherwise
