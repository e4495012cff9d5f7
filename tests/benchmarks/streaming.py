"""What streaming costs, on the local streaming runner.

    python -m tests.benchmarks.streaming speed|step|state|warm
    python -m tests.benchmarks.streaming portable localhost:8073   # of prism, or another one

`speed`: events/s of one core through the streaming transforms, without source and warehouse, and
of the same events through Beam's Sessions and GroupByKey alone. `step`: microseconds of one event
in the users' step. `state`: bytes of a user's state. `warm`: seconds until the first flush of a
stream that begins with a million users.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, Repeatedly
from apache_beam.transforms.window import Sessions, TimestampedValue
from apache_beam.utils.timestamp import Duration

from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.runners import Runner
from pipeline.sample import write_sample
from pipeline.sinks import element_coders
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from tests.support.streams import finished_stream, message, staged_start_of, stream_of
from tests.support.tables import NOW, WRITTEN_AT, codes, csv_text, parse, row
from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.codecs.head_codec import encode_head
from transforms.kernels.codecs.record_codec import Record, decode_records, encode_users
from transforms.kernels.contributions import contributions
from transforms.kernels.event_batch import event_batch
from transforms.kernels.sessions import number_sessions, sort_events
from transforms.kernels.timelines import timelines
from transforms.kernels.user_state import advance_user
from transforms.marts import fct_events
from transforms.marts.registry import ALL_TABLES
from transforms.state import growth_counters, user_timelines
from transforms.streaming.parse_messages import ParseMessages
from transforms.streaming.users import UpdateUser, UpdateUsers
from transforms.vocabulary import EVENT_TYPES

_EVENTS: Final = 10_000
_TURNS: Final = 3
_BUNDLE: Final = 1_000
_HORIZON_DAYS: Final = 3_650
_WARM_DAYS: Final = 7
_NOW: Final = (NOW - datetime(1970, 1, 1)).total_seconds()


def _rows(events: int) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.csv")
        write_sample(str(path), events, 7)
        with path.open(errors="replace", newline="") as file:
            return [item for item in csv.DictReader(file) if item["event_time"][:2] == "20"]


def speed() -> None:
    """Print events/s of both, in turn, and the ratio of their medians."""
    element_coders.register()
    messages = [
        PubsubMessage(json.dumps(item).encode(), {}, str(number))
        for number, item in enumerate(_rows(_EVENTS))
    ]
    turns = [[_seconds(messages, graph) for graph in (_transforms, _plain)] for _ in range(_TURNS)]
    ours, plain = (statistics.median(seconds) for seconds in zip(*turns, strict=True))
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
    parsed.by_user | UpdateUsers(FigureSettings(), _HORIZON_DAYS, _clock)


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
    function = UpdateUser(UpdateUsers(FigureSettings(), _HORIZON_DAYS, _clock))
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


def portable(endpoint: str) -> None:
    """Print events/s of the transforms on a portable job service, with state over gRPC, without
    and with the workers' cache."""
    rows = _rows(5 * _EVENTS)
    messages = [PubsubMessage(json.dumps(item).encode(), {}, str(n)) for n, item in enumerate(rows)]
    for megabytes in (0, 256):
        seconds = []
        for count in (_EVENTS, len(messages)):
            pipeline = beam.Pipeline(
                options=pipeline_options(
                    Runner("PortableRunner", local=False, workers=None),
                    [
                        *(f"--job_endpoint={endpoint}", "--environment_type=LOOPBACK"),
                        *("--streaming", f"--max_cache_memory_usage_mb={megabytes}"),
                    ],
                )
            )
            element_coders.register()
            _transforms(pipeline | beam.Create(messages[:count]))
            started = time.perf_counter()
            pipeline.run().wait_until_finish()
            seconds.append(time.perf_counter() - started)
        rate = (len(messages) - _EVENTS) / (seconds[1] - seconds[0])
        print(f"on a portable job service, cache of {megabytes} MB: {rate:,.0f} events/s")


def warm(users: int = 1_000_000, events: int = 1_000) -> None:
    """Print how long a stream takes to begin with the users of its tables, of which a tenth has an
    event within the horizon, until its first flush of events of some of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = open_warehouse(f"duckdb:///{folder}/live.duckdb")
        _fill(warehouse, folder, users)
        started = time.perf_counter()
        with warehouse.lock(list(ALL_TABLES), None, "stream") as staging:
            start = staged_start_of(warehouse, staging, _WARM_DAYS)
            assert start is not None
            staged = time.perf_counter()
            size = sum(path.stat().st_size for path in Path(staging).iterdir())
            ids = [f"u{number}" for number in range(0, users, users // events)][:events]
            found = sum(start.users.find(user_id) is not None for user_id in ids)
            looked_up = time.perf_counter()
        at = (NOW - timedelta(hours=1)).isoformat()
        rows = [message(row(at, user_id), number) for number, user_id in enumerate(ids)]
        begun = time.perf_counter()
        finished_stream(
            stream_of([rows]), folder / "live.duckdb", late_horizon_days=_WARM_DAYS, quality="off"
        )
        ended = time.perf_counter()
    print(
        f"warm start with {users:,} users: {staged - started:.1f} s to stage {size / 1e6:,.0f} MB, "
        f"{(looked_up - staged) / found * 1e6:.0f} us a user looked up; "
        f"{ended - begun:.1f} s with staging and one flush of {events:,} events"
    )


def _fill(warehouse: Warehouse, folder: Path, users: int) -> None:
    """Tables of users with two events each, long ago; a tenth has another one of yesterday."""
    number = np.arange(users)
    ids = pa.array([f"u{user}" for user in range(users)])
    base = round(_NOW * 1e6)
    times = [
        base - (400 + number % 300) * 86_400_000_000 + number,
        base - 300 * 86_400_000_000 + number,
    ]
    recent = number[::10]
    whose = np.concatenate([number, number, recent])
    count = len(whose)
    batch = event_batch(
        {
            "event_time": np.concatenate([*times, base - US_PER_DAY + recent]),
            "user_id": ids.take(pa.array(whose)),
            "event_type": np.full(count, 2),
            "transaction_category": pa.nulls(count, pa.string()),
            "miles_amount": pa.nulls(count, pa.int64()),
            "platform": np.zeros(count, np.int8),
            "utm_source": pa.repeat("organic", count),
            "country": pa.repeat("SG", count),
        }
    )
    found = sort_events([batch])
    lives = timelines(found)
    changes = []
    for table, made in (
        (fct_events.TABLE, fct_events.rows(found, number_sessions(found), WRITTEN_AT)),
        (user_timelines.TABLE, user_timelines.rows(lives, WRITTEN_AT)),
        (
            growth_counters.TABLE,
            growth_counters.rows(contributions(lives, codes(EVENT_TYPES)), WRITTEN_AT),
        ),
    ):
        files = StagedFiles(table, str(folder), warehouse.capabilities.layout)
        files.write(made)
        changes.append(Change(table, WriteDisposition.REPLACE, list(files.close())))
    warehouse.commit(changes, "fill")


if __name__ == "__main__":
    figures = {"speed": speed, "step": step, "state": state, "warm": warm}
    if sys.argv[1] == "portable":
        portable(sys.argv[2])
    else:
        figures[sys.argv[1]]()
