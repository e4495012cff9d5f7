"""Events in user shards -> rows of the event and user tables, and counters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.transforms.window import GlobalWindows

from transforms.check_rows import CHECKED
from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.kernels.rates import NO_RATES, Rates
from transforms.kernels.run_counts import RunCounts
from transforms.marts.registry import TABLES
from transforms.metrics import EVENTS_PER_USER, count
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.prefetch import Prefetcher
from transforms.quality.buffered_checks import BufferedChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.shard_step import WorkedShard, worked_out
from transforms.user_tables import (
    CONTRIBUTIONS,
    EVENTS,
    EXCLUDED_USERS,
    NEGATIVE,
    TIMELINES,
    USERS,
)


def rows_of_users(rates: Rates) -> tuple[str, ...]:
    """The names of the tables of which a shard's users have rows."""
    always = (EVENTS, USERS, NEGATIVE, TIMELINES)
    return (*always, EXCLUDED_USERS) if rates.is_any else always


@dataclass
class UserShards(beam.PTransform):
    """(shard, RecordBatch) -> everything that follows from a shard's users, one shard at a time.

    Outputs, by tag: those of `rows_of_users`, tables of rows; CONTRIBUTIONS, Counters; COUNTS,
    RunCounts of events, duplicates, events that have the id of another one and those that are left
    out; DEAD_LETTERS, tables of dead_letter_events of these; CHECKED, CheckCounts of the checks
    that these rows answer.

    Attributes:
        types: the event types, and which make a user active.
        started_at: the moment of writing, in UTC without a zone.
        version: the pipeline's; dead letters carry it.
        checks: to be evaluated on the rows; none for no CHECKED.
        rates: how many events a user may have.
    """

    types: FigureSettings
    started_at: datetime
    version: str
    checks: tuple[Check, ...] = ()
    rates: Rates = NO_RATES

    def expand(self, shards: beam.PCollection) -> pvalue.DoOutputsTuple:
        outputs = {
            **dict.fromkeys(rows_of_users(self.rates), pa.Table),
            CONTRIBUTIONS: Counters,
            COUNTS: RunCounts,
            DEAD_LETTERS: pa.Table,
            CHECKED: CheckCounts,
        }
        work = beam.ParDo(_Shard(self)).with_output_types(Any, **outputs)
        grouped = shards | "Group by shard" >> beam.GroupByKey()
        return grouped | "Sessionize and sum up" >> work.with_outputs(*outputs)


class _Shard(beam.DoFn):
    def __init__(self, options: UserShards):
        self._types, self._started_at = options.types, options.started_at
        self._version = options.version
        self._checks, self._rates = options.checks, options.rates

    def setup(self) -> None:
        self._over = BufferedChecks(self._checks, TABLES, waiting=(USERS, NEGATIVE))

    def teardown(self) -> None:
        self._over.close()

    def start_bundle(self) -> None:
        self._over.begin()
        self._prefetcher = Prefetcher(self._work)
        self._checked = Prefetcher(self._over.evaluate)

    def process(self, shard: tuple[int, Iterable[pa.RecordBatch]]) -> Iterator[pvalue.TaggedOutput]:
        # Decoded here: the iterable may not be read from another thread.
        for outputs in self._prefetcher.put(list(shard[1])):
            for tag, value in self._finished(outputs):
                yield pvalue.TaggedOutput(tag, value)

    def finish_bundle(self) -> Iterator[pvalue.TaggedOutput]:
        for outputs in self._prefetcher.finish():
            for tag, value in self._finished(outputs):
                yield pvalue.TaggedOutput(tag, GlobalWindows.windowed_value(value))
        for check_counts in [*self._checked.finish(), self._over.finish()]:
            yield pvalue.TaggedOutput(CHECKED, GlobalWindows.windowed_value(check_counts))

    def _finished(self, found: WorkedShard) -> Iterator[tuple[str, Any]]:
        """The outputs of a shard, and what the checks of an earlier one have come to."""
        count(found.counts)
        EVENTS_PER_USER.observe_sample(found.events_of_users)
        yield from found.rows.items()
        if found.letters.num_rows:
            yield DEAD_LETTERS, found.letters
        yield CONTRIBUTIONS, found.contributions
        yield COUNTS, found.counts
        rows = {name: found.rows[name] for name in (EVENTS, USERS, NEGATIVE)}
        yield from ((CHECKED, check_counts) for check_counts in self._checked.put(rows))

    def _work(self, batches: list[pa.RecordBatch]) -> WorkedShard:
        return worked_out(batches, self._types, self._started_at, self._version, self._rates)
