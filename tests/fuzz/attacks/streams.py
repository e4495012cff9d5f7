"""Streams whose clock jumps, with late and repeated events, against the oracle's SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream

from pipeline.graphs.streaming_graph import StreamJob, build
from pipeline.warehouse import open_warehouse
from tests.fuzz import texts
from tests.fuzz.attacks.messages import json_of
from tests.fuzz.contract import TYPES
from tests.fuzz.plain_json import result_of
from tests.fuzz.tables import check_tables
from tests.support.runs import read_all
from tests.support.tables import NOW
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES

_FLUSH_SECONDS = 60
# A step fires, and sets the timer of the next one.
_STEPS = 4
_NOW_SECONDS = (NOW - datetime(1970, 1, 1)).total_seconds()


class JumpingClock:
    """A clock that is set back and ahead by some seconds now and then, and goes on between."""

    def __init__(self, seed: int):
        self._chance = random.Random(seed)
        self._seconds, self._error = _NOW_SECONDS, 0.0

    def __call__(self) -> float:
        """The seconds since 1970-01-01."""
        self._seconds += self._chance.choice([0.0, 1e-6, 1e-3])
        if self._chance.random() < 0.1:
            self._error = self._chance.choice([0.0, -20.0, -3.0, -0.001, 5.0])
        return self._seconds + self._error


# By number, because a runner pickles what its steps hold.
_CLOCKS: dict[int, JumpingClock] = {}


def case(chance: random.Random, folder: Path) -> int:
    """A stream of some bundles."""
    bundles = _bundles(chance)
    active = chance.choice([TYPES, TYPES, ("share",), ("miles_earned", "like")])
    number = chance.randrange(1 << 48)
    _CLOCKS[number] = JumpingClock(number)
    tables = _streamed(bundles, folder / "fuzz.duckdb", partial(_look, number), active)
    messages = [message for bundle in bundles for message in bundle]
    # A few seconds before or after the stream's moment, which no event is near.
    check_tables(tables, [result_of(message.data, False, NOW) for message in messages], active)
    return 1


def _look(number: int) -> float:
    return _CLOCKS[number]()


def _bundles(chance: random.Random) -> list[list[PubsubMessage]]:
    rows = [texts.row(chance) for _ in range(chance.choice([1, 10, 60]))]
    data = [json_of(chance, row) for row in rows]
    data += chance.choices(data, k=len(data) // 3)
    chance.shuffle(data)
    bundles: list[list[PubsubMessage]] = []
    # A bundle takes a second, most of it for the commit behind it.
    least = len(data) // 8 + 1
    while data:
        size = least + chance.choice([0, 0, 2, 10, 40])
        bundles.append(
            [
                PubsubMessage(text, {}, message_id=f"{len(bundles)}-{number}")
                for number, text in enumerate(data[:size])
            ]
        )
        data = data[size:]
    return bundles


def _streamed(
    bundles: list[list[PubsubMessage]],
    database: Path,
    clock: Callable[[], float],
    active_types: Sequence[str],
) -> dict[str, pa.Table]:
    stream = TestStream().advance_processing_time(_NOW_SECONDS)
    for bundle in bundles:
        stream = stream.add_elements(bundle, event_timestamp=_NOW_SECONDS)
        for _ in range(_STEPS):
            stream = stream.advance_processing_time(_FLUSH_SECONDS)
    warehouse = open_warehouse(f"duckdb:///{database}")
    with warehouse.lock(tuple(TABLES.values()), None, "fuzz") as staging:
        job = StreamJob(
            subscription="projects/p/subscriptions/s",
            warehouse=warehouse,
            staging=staging,
            run="fuzz",
            started_at=NOW,
            figures=FigureSettings(tuple(active_types)),
            late_horizon_days=3_650,
            flush_seconds=_FLUSH_SECONDS,
            clock=clock,
        )
        pipeline = beam.Pipeline(BundleBasedDirectRunner(), PipelineOptions(["--streaming"]))
        build(pipeline | "Messages" >> stream.advance_watermark_to_infinity(), job)
        pipeline.run().wait_until_finish()
    return read_all(warehouse)
