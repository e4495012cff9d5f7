"""What streaming costs, on the local streaming runner.

    python -m tests.benchmarks.streaming speed|step|state

`speed`: events/s of one core through the streaming transforms, without source and warehouse, and
of the same events through Beam's Sessions and GroupByKey alone. `step`: microseconds of one event
in the users' step. `state`: bytes of a user's state.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, Repeatedly
from apache_beam.transforms.window import Sessions, TimestampedValue
from apache_beam.utils.timestamp import Duration

from pipeline.sample import write_sample
from pipeline.sinks import element_coders
from tests.support.tables import NOW, codes, csv_text, parse, row
from transforms.kernels.codecs.head_codec import encode_head
from transforms.kernels.codecs.record_codec import Record, decode_records, encode_users
from transforms.kernels.sessions import sort_events
from transforms.kernels.user_state import advance_user
from transforms.streaming.parse_messages import ParseMessages
from transforms.streaming.users import UpdateUser, UpdateUsers
from transforms.vocabulary import EVENT_TYPES

_EVENTS: Final = 5_000
_BUNDLE: Final = 1_000
_HORIZON_DAYS: Final = 3_650
_NOW: Final = (NOW - datetime(1970, 1, 1)).total_seconds()


def _rows(events: int) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.csv")
        write_sample(str(path), events, 7)
        with path.open(errors="replace", newline="") as file:
            return [item for item in csv.DictReader(file) if item["event_time"][:2] == "20"]


def speed() -> None:
    """Print events/s of both, and their ratio."""
    element_coders.register()
    messages = [
        PubsubMessage(json.dumps(item).encode(), {}, str(number))
        for number, item in enumerate(_rows(_EVENTS))
    ]
    ours, plain = _seconds(messages, _transforms), _seconds(messages, _plain)
    print(
        f"streaming transforms {len(messages) / ours:,.0f} events/s, Sessions and GroupByKey alone "
        f"{len(messages) / plain:,.0f} events/s: {plain / ours:.2f} x"
    )


def _seconds(
    messages: Sequence[PubsubMessage], graph: Callable[[beam.PCollection], object]
) -> float:
    stream = TestStream().advance_processing_time(_NOW)
    for at in range(0, len(messages), _BUNDLE):
        stream = stream.add_elements(messages[at : at + _BUNDLE], event_timestamp=_NOW)
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), PipelineOptions(["--streaming"]))
    graph(pipeline | stream.advance_watermark_to_infinity())
    started = time.perf_counter()
    pipeline.run().wait_until_finish()
    return time.perf_counter() - started


def _clock() -> float:
    return _NOW


def _transforms(messages: beam.PCollection) -> None:
    parsed = messages | ParseMessages("bench", _HORIZON_DAYS, "1", _clock)
    parsed.by_user | UpdateUsers(codes(EVENT_TYPES), _HORIZON_DAYS, _clock)


def _plain(messages: beam.PCollection) -> None:
    (
        messages
        | beam.Map(_timed)
        | beam.WindowInto(
            Sessions(1_800),
            trigger=Repeatedly(AfterCount(1)),
            accumulation_mode=AccumulationMode.ACCUMULATING,
            allowed_lateness=Duration(_HORIZON_DAYS * 86_400),
        )
        | beam.GroupByKey()
        | beam.Map(len)
    )


def _timed(message: PubsubMessage) -> TimestampedValue:
    event = json.loads(message.data)
    try:
        at = datetime.fromisoformat(event["event_time"].strip()).timestamp()
    except ValueError:
        at = _NOW
    return TimestampedValue((event["user_id"], message.data), at)


def state() -> None:
    """Print the bytes of a user's state with three events a day, and of an event of the horizon."""
    for days in (1, 100, 1_000):
        start = datetime(2020, 1, 1)
        rows = [
            row((start + timedelta(days=day, hours=hour)).isoformat(), "u", kind)
            for day in range(days)
            for hour, kind in enumerate(["miles_earned", "share", "like"])
        ]
        records = _records(rows)
        head = None
        for record in records:
            head = advance_user("u", head, [record], list).head
        assert head is not None
        size = len(encode_head(head))
        print(f"{days:,} active days: {size:,} bytes, {size / days:.1f} a day")
    of_event = sum(len(record.data) + 1 for record in records) / len(records)
    print(f"and {of_event:.0f} bytes for each event of the last --late_horizon_days")


def _records(rows: Sequence[dict[str, str]]) -> list[Record]:
    (parsed,) = parse(csv_text(rows))
    ((_, encoded),) = encode_users(sort_events([parsed.events]))
    return decode_records(encoded)


class _Cell:
    """A state cell and a timer in this process."""

    def __init__(self) -> None:
        self._value: bytes | None = None
        self._bag: list[bytes] = []

    def read(self) -> bytes | None:
        return self._value

    def write(self, value: bytes) -> None:
        self._value = value

    def add(self, value: bytes) -> None:
        self._bag.append(value)

    def set(self, moment: object) -> None:
        """As a timer."""


def step(users: int = 500, bundles: int = 100) -> None:
    """Print microseconds of one on-time event in the users' step, without a runner."""
    function = UpdateUser(UpdateUsers(codes(EVENT_TYPES), _HORIZON_DAYS, _clock))
    cells = {f"u{user}": (_Cell(), _Cell(), _Cell()) for user in range(users)}
    taken = emitted = 0.0
    for number in range(bundles):
        at = datetime(2025, 10, 1) + timedelta(hours=9 * number)
        rows = [row((at + timedelta(seconds=n)).isoformat(), user) for n, user in enumerate(cells)]
        (parsed,) = parse(csv_text(rows))
        bundle = list(encode_users(sort_events([parsed.events])))
        started = time.process_time()
        function.start_bundle()
        for user_id, encoded in bundle:
            function.process((user_id, encoded), *cells[user_id])
        between = time.process_time()
        list(function.finish_bundle())
        taken, emitted = taken + between - started, emitted + time.process_time() - between
    events = users * bundles
    print(
        f"an on-time event in the users' step: {(taken + emitted) / events * 1e6:.0f} us, of these "
        f"{taken / events * 1e6:.0f} for its state, {emitted / events * 1e6:.0f} for its rows and "
        f"counters ({events:,} events of {users} users, in bundles of {users})"
    )


if __name__ == "__main__":
    {"speed": speed, "step": step, "state": state}[sys.argv[1]]()
