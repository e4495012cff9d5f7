"""Raw records -> typed events in user shards, and dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.figure_settings import FigureSettings
from transforms.kernels.corrections import Corrections
from transforms.kernels.event_batch import LABEL
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.parse import Limits, Parsed
from transforms.kernels.person_ids import People
from transforms.kernels.records import RawRecords
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import by_user_shard
from transforms.parse_outputs import beside_events
from transforms.parse_step import COUNTS, DEAD_LETTERS, ParsedPart, parse_part
from transforms.people_of_worker import PeopleOfWorker
from transforms.prefetch import Prefetcher

SOURCES: Final = "sources"

# A shard's part of a batch carries the whole dictionary of each label column; beyond this size
# (some 20 kB) the labels of the part alone weigh less.
_LARGEST_DICTIONARY: Final = 1024


@dataclass
class ParseEvents(beam.PTransform):
    """RawRecords -> `Parsed` batches.

    Outputs, by tag: the main one; DEAD_LETTERS, tables of dead_letter_events; COUNTS, RunCounts
    of input rows and dead letters; SOURCES, (source, (input rows, dead letters)).

    Attributes:
        started_at: the run's moment, in UTC without a zone; dead letters carry it as failed_at.
        version: the pipeline's version.
        corrections: what earlier replays have corrected: a record that would be a dead letter is
            read as its correction says, if that passes. None for nothing.
        max_future_minutes: event times may be so much later than `started_at`.
        forgotten: whose records are dropped and only counted; None for nobody's.
        figures: the settings by which the tables are built.
        people: who is known by which ids; None for everybody by one.
    """

    started_at: datetime
    version: str
    corrections: Corrections | None = None
    max_future_minutes: int = 60
    forgotten: Forgotten | None = None
    figures: FigureSettings = FigureSettings()
    people: People | None = None

    def expand(self, records: beam.PCollection) -> pvalue.DoOutputsTuple:
        parse = beam.ParDo(_Parse(self)).with_output_types(
            Parsed,
            **{
                DEAD_LETTERS: pa.Table,
                COUNTS: RunCounts,
                SOURCES: tuple[str, tuple[int, int]],
            },
        )
        outputs = parse.with_outputs(DEAD_LETTERS, COUNTS, SOURCES, main="events")
        return records | "Validate" >> outputs


class _Parse(beam.DoFn):
    def __init__(self, options: ParseEvents):
        self._options = options
        self._limits = Limits.of(options.figures, options.max_future_minutes)
        self._people = PeopleOfWorker(options.people)

    def setup(self) -> None:
        self._known = self._people.acquire()

    def start_bundle(self) -> None:
        self._prefetcher = Prefetcher(self._parse)

    def process(self, records: RawRecords) -> Iterator[WindowedValue | pvalue.TaggedOutput]:
        return self._outputs(self._prefetcher.put(records))

    def finish_bundle(self) -> Iterator[WindowedValue | pvalue.TaggedOutput]:
        return self._outputs(self._prefetcher.finish())

    def _parse(self, records: RawRecords) -> tuple[str, ParsedPart]:
        options = self._options
        return records.source, parse_part(
            records,
            options.started_at,
            self._limits,
            options.version,
            options.corrections,
            options.forgotten,
            self._known,
        )

    def _outputs(
        self, parts: Iterator[tuple[str, ParsedPart]]
    ) -> Iterator[WindowedValue | pvalue.TaggedOutput]:
        for source, part in parts:
            counted = source, (part.counts.input_rows, part.counts.rejected)
            yield pvalue.TaggedOutput(SOURCES, GlobalWindows.windowed_value(counted))
            yield from map(GlobalWindows.windowed_value, part.parsed)
            yield from beside_events(part, GlobalWindows.windowed_value)


@dataclass
class ByUserShard(beam.PTransform):
    """`Parsed` batches -> (shard, RecordBatch) with the events of the shard's users.

    Attributes:
        shards: how many shards there are, 1 to 65,536.
        key: of the run, by `shard_key`; which shard a user belongs to follows from it.
    """

    shards: int
    key: bytes

    def expand(self, parsed: beam.PCollection) -> beam.PCollection:
        return parsed | "Split by user" >> beam.FlatMap(
            _split, self.shards, self.key
        ).with_output_types(tuple[int, pa.RecordBatch])


def _split(parsed: Parsed, shards: int, key: bytes) -> Iterator[tuple[int, pa.RecordBatch]]:
    return by_user_shard(_lighten(parsed.events), key, shards)


def _lighten(events: pa.RecordBatch) -> pa.RecordBatch:
    """Label columns with many distinct values as plain strings."""
    columns = [
        column.cast(pa.string())
        if column.type == LABEL and len(column.dictionary) > _LARGEST_DICTIONARY
        else column
        for column in events.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=events.schema.names)
