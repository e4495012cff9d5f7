"""New events and what is stored of their users -> what changes in all tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.transforms.window import GlobalWindows

from transforms.advance_step import EventsOnDates, advanced, changed_rows, checkable
from transforms.check_rows import CHECKED
from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.kernels.rates import NO_RATES, Rates
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_dates import touched_dates
from transforms.kernels.user_shards import by_user_shard
from transforms.mart_changes import finish
from transforms.marts.registry import TABLES
from transforms.metrics import count
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.prefetch import Prefetcher
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.buffered_checks import BufferedChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.reckoning import Reckoning
from transforms.touched_dates import ids_of, rows
from transforms.user_tables import CONTRIBUTIONS, NEGATIVE, USERS

ROWS: Final = "rows"


@dataclass
class TouchedDates(beam.PTransform):
    """`Parsed` batches -> rows of TOUCHED: the dates whose stored events they may meet.

    Attributes:
        reckoning: how time is reckoned.
    """

    reckoning: Reckoning

    def expand(self, parsed: beam.PCollection) -> beam.PCollection:
        return parsed | "Find dates" >> beam.Map(
            lambda part, reckoning: rows(touched_dates(part.events, reckoning)), self.reckoning
        ).with_output_types(pa.Table)


@dataclass
class NewIds(beam.PTransform):
    """`Parsed` batches -> rows of NEW_IDS."""

    def expand(self, parsed: beam.PCollection) -> beam.PCollection:
        return parsed | "Find ids" >> beam.Map(lambda part: ids_of(part.events)).with_output_types(
            pa.Table
        )


@dataclass
class StateByShard(beam.PTransform):
    """Tables of rows with a user_id -> (shard, RecordBatch) with the rows of the shard's users.

    Attributes:
        shards, key: as in `ByUserShard`.
    """

    shards: int
    key: bytes

    def expand(self, found: beam.PCollection) -> beam.PCollection:
        return found | "Split by user" >> beam.FlatMap(
            _split, self.shards, self.key
        ).with_output_types(tuple[int, pa.RecordBatch])


def _split(found: pa.Table, shards: int, key: bytes) -> Iterator[tuple[int, pa.RecordBatch]]:
    for batch in found.combine_chunks().to_batches():
        yield from by_user_shard(batch, key, shards)


@dataclass
class AdvanceShards(beam.PTransform):
    """(shard, RecordBatch) -> what changes in the tables of users, one shard at a time.

    The batches are those of `ByUserShard` and of `StateByShard`, which differ in their
    columns: one shuffle brings a shard's new events and its state together.

    Outputs, by tag: ROWS, (name of a contract, table of rows), of events, users and timelines;
    CONTRIBUTIONS, Counters of what changes; COUNTS, RunCounts of events, duplicates, events that
    have the id of another one and those that are left out; DEAD_LETTERS, tables of
    dead_letter_events of these; CHECKED, CheckCounts of the checks that these rows answer.

    Attributes:
        types: the event types, and which make a user active.
        written_at: the moment of writing, in UTC without a zone.
        events_on: reads what is found out to be needed too: dates over whose midnight sessions go.
        version: the pipeline's; dead letters carry it.
        checks: to be evaluated on the rows; none for no CHECKED.
        rates: how many events a user may have.
    """

    types: FigureSettings
    written_at: datetime
    events_on: EventsOnDates
    version: str
    checks: tuple[Check, ...] = ()
    rates: Rates = NO_RATES

    def expand(self, shards: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {
            ROWS: tuple[str, pa.Table],
            CONTRIBUTIONS: Counters,
            COUNTS: RunCounts,
            DEAD_LETTERS: pa.Table,
            CHECKED: CheckCounts,
        }
        work = beam.ParDo(_Advance(self)).with_output_types(Any, **outputs)
        grouped = shards | "Group by shard" >> beam.GroupByKey()
        return grouped | "Advance" >> work.with_outputs(*outputs)


class _Advance(beam.DoFn):
    def __init__(self, options: AdvanceShards):
        self._options = options

    def setup(self) -> None:
        self._over = BufferedChecks(self._options.checks, TABLES, waiting=(USERS, NEGATIVE))

    def teardown(self) -> None:
        self._over.close()

    def start_bundle(self) -> None:
        self._over.begin()
        self._prefetcher = Prefetcher(self._work)

    def process(self, shard: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[pvalue.TaggedOutput]:
        # Decoded here: the iterable may not be read from another thread.
        for outputs in self._prefetcher.put(list(shard[1])):
            for tag, value in self._finished(outputs):
                yield pvalue.TaggedOutput(tag, value)

    def finish_bundle(self) -> Iterator[pvalue.TaggedOutput]:
        for outputs in self._prefetcher.finish():
            for tag, value in self._finished(outputs):
                yield pvalue.TaggedOutput(tag, GlobalWindows.windowed_value(value))
        yield pvalue.TaggedOutput(CHECKED, GlobalWindows.windowed_value(self._over.finish()))

    def _finished(self, outputs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        count(outputs[COUNTS])
        yield from ((tag, outputs[tag]) for tag in (CONTRIBUTIONS, COUNTS))
        if outputs[DEAD_LETTERS].num_rows:
            yield DEAD_LETTERS, outputs[DEAD_LETTERS]
        yield from ((ROWS, found) for found in changed_rows(outputs))
        yield CHECKED, self._over.evaluate(checkable(outputs))

    def _work(self, batches: list[pa.RecordBatch]) -> dict[str, Any]:
        options = self._options
        return advanced(
            batches,
            options.types,
            options.written_at,
            options.events_on,
            options.version,
            options.rates,
        )


@dataclass
class FinishIncrement(beam.PTransform):
    """The sum of all changes, Counters -> what changes in the marts.

    Outputs, by tag: ROWS, (name of a contract, table of rows), of marts, of growth_counters and of
    keys that leave them; CHECKED, CheckCounts of the checks that the marts answer as a whole.

    Attributes:
        written_at: the moment of writing, in UTC without a zone.
        before: reads the sum over all users as it was.
        checks: to be evaluated on the marts; none for no CHECKED.
        figures: the settings by which they are made.
    """

    written_at: datetime
    before: Callable[[], Counters]
    checks: tuple[Check, ...] = ()
    figures: FigureSettings = FigureSettings()

    def expand(self, changes: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {ROWS: tuple[str, pa.Table], CHECKED: CheckCounts}
        work = beam.ParDo(_Finish(self)).with_output_types(Any, **outputs)
        return changes | "Finish" >> work.with_outputs(*outputs)


class _Finish(beam.DoFn):
    def __init__(self, options: FinishIncrement):
        self._options = options

    def process(self, changes: Counters) -> Iterator[pvalue.TaggedOutput]:
        options = self._options
        before, checks = options.before(), options.checks
        written_at_us = pa.scalar(options.written_at, pa.timestamp("us")).value
        after = Counters.total([before, changes])
        finished = finish(before, after, written_at_us, options.figures)
        for found in finished.changed.items():
            yield pvalue.TaggedOutput(ROWS, found)
        if checks:
            over = ArrowChecks(checks, TABLES)
            yield pvalue.TaggedOutput(CHECKED, over.evaluate(finished.marts))
            over.close()
