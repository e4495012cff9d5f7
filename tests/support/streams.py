"""Streams by hand: messages, a clock, and a run of the streaming graph over them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.runner import PipelineResult
from apache_beam.testing.test_stream import TestStream

from pipeline.graphs.staged_people import read_people, stage_people
from pipeline.graphs.staged_start import StagedStart, stage_start, staged_start
from pipeline.graphs.streaming_graph import StreamJob, build
from pipeline.sinks.flush_state import Totals
from pipeline.warehouse import Warehouse, open_warehouse
from tests.support.runs import read_all
from tests.support.tables import NOW, Row
from tests.support.thorough import THOROUGH
from transforms.figure_settings import FigureSettings
from transforms.kernels.forgotten import Forgotten
from transforms.marts import fct_events
from transforms.marts.registry import TABLES
from transforms.reckoning import PLAIN, Reckoning
from transforms.rules.model import Rules
from transforms.state import growth_counters
from transforms.streaming.clock import Clock
from transforms.streaming.users import kept_us
from transforms.vocabulary import EVENT_TYPES

FLUSH_SECONDS = 60
NOW_SECONDS = (NOW - datetime(1970, 1, 1)).total_seconds()
_TICKS = itertools.count()


def ticking() -> float:
    """A clock that stands at NOW, and yet never shows the same time twice."""
    return NOW_SECONDS + next(_TICKS) * 1e-6


def message(row: Row, number: int = 0) -> PubsubMessage:
    """A row as a message of JSON."""
    return PubsubMessage(json.dumps(row).encode(), {}, message_id=f"id {number}")


class Readings:
    """Clock readings that are set by hand, in seconds from NOW, one after the other, for ever.

    It goes through graphs by its name: there is one, `READINGS`.
    """

    def __init__(self) -> None:
        self.set([0.0])

    def set(self, offsets: Sequence[float]) -> None:
        """Show these from now on."""
        self._offsets = itertools.cycle(offsets)

    def __call__(self) -> float:
        return NOW_SECONDS + next(self._offsets)

    def __reduce__(self) -> str:
        return "READINGS"


READINGS = Readings()


def stream_of(bundles: Sequence[Sequence[PubsubMessage]], ahead_seconds: float = 0.0) -> TestStream:
    """Bundles of messages one after another, each with time for a flush behind it.

    Timers fire by a clock that is so many seconds ahead of NOW at the beginning.
    """
    stream = TestStream().advance_processing_time(NOW_SECONDS + ahead_seconds)
    for bundle in bundles:
        stream = stream.add_elements(bundle, event_timestamp=NOW_SECONDS)
        for _ in range(4):  # A step fires, and sets the timer of the next one.
            stream = stream.advance_processing_time(FLUSH_SECONDS)
    return stream.advance_watermark_to_infinity()


class Around:
    """A warehouse around another one, for one that behaves otherwise in something."""

    def __init__(self, home: Warehouse):
        self._home = home

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._home, name)


def run_stream(stream: TestStream, database: Path, **options: Any) -> dict[str, pa.Table]:
    """Run the streaming graph as `finished_stream` does; returns all tables."""
    finished_stream(stream, database, **options)
    return read_all(open_warehouse(f"duckdb:///{database}"))


def finished_stream(
    stream: TestStream,
    database: Path,
    active_types: Sequence[str] = EVENT_TYPES,
    late_horizon_days: int = 3_650,
    kind: Callable[[Warehouse], Warehouse] = lambda warehouse: warehouse,
    clock: Clock = ticking,
    quality: Literal["warn", "off"] = "warn" if THOROUGH else "off",
    run: str = "stream",
    max_future_minutes: int = 60,
    forgotten: Forgotten | None = None,
    own: Sequence[str] = (),
    rules: Rules | None = None,
    reckoning: Reckoning = PLAIN,
) -> PipelineResult:
    """Run the streaming graph over a stream; returns what Beam knows of the run.

    It begins with what the DuckDB file holds, if anything, and with the people that it notes.
    `kind` may put another warehouse around it, one that fails at times. `own` are event types
    beside the five.
    """
    warehouse = kind(open_warehouse(f"duckdb:///{database}"))
    with warehouse.lock(tuple(TABLES.values()), None, run) as staging:
        types = FigureSettings(tuple(active_types), tuple(own), reckoning)
        identified = rules is not None and rules.identifies
        start = staged_start_of(warehouse, staging, late_horizon_days, types, identified)
        job = StreamJob(
            subscription="projects/p/subscriptions/s",
            warehouse=warehouse,
            staging=staging,
            run=run,
            started_at=NOW,
            figures=types,
            late_horizon_days=late_horizon_days,
            flush_seconds=FLUSH_SECONDS,
            clock=clock,
            quality=quality,
            max_future_minutes=max_future_minutes,
            forgotten=forgotten,
            start=start,
            rules=rules,
            people=stage_people(read_people(warehouse), staging),
        )
        pipeline = beam.Pipeline(BundleBasedDirectRunner(), PipelineOptions(["--streaming"]))
        build(pipeline | "Messages" >> stream, job)
        result = pipeline.run()
        result.wait_until_finish()
    return result


def staged_start_of(
    warehouse: Warehouse,
    staging: str,
    late_horizon_days: int,
    figures: FigureSettings = FigureSettings(),
    identified: bool = False,
) -> StagedStart | None:
    """What a stream begins with at NOW; None where the tables hold nothing."""
    if not warehouse.count(fct_events.TABLE):
        return None
    rows = warehouse.read(growth_counters.TABLE)
    written_at = pc.max(rows["written_at"]).value
    totals = Totals(counters=growth_counters.counters_of(rows), written_at_us=written_at)
    since_us = round(NOW_SECONDS * 1e6) - kept_us(late_horizon_days)
    stage_start(warehouse, staging, totals, since_us, figures, identified)
    return staged_start(staging)
