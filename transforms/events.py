"""Raw records -> typed events in user shards, and dead letters."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam import pvalue
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms.kernels.corrections import Corrections, apply_corrections
from transforms.kernels.event_batch import EVENT_BATCH, LABEL
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.kernels.records import NO_REJECTIONS, RawRecords
from transforms.kernels.run_counts import Example, RunCounts
from transforms.kernels.user_shards import user_shards
from transforms.marts import dead_letter_events
from transforms.metrics import count
from transforms.prefetch import WorkAhead

DEAD_LETTERS: Final = "dead_letters"
COUNTS: Final = "counts"

_SHOWN: Final = [
    "error_type",
    "error_message",
    "payload",
    "payload_encoding",
    "source",
    "position",
]

# A shard's part of a batch carries the whole dictionary of each label column; beyond this size
# (some 20 kB) the labels of the part alone weigh less.
_LARGEST_DICTIONARY: Final = 1024


@dataclass
class ParseEvents(beam.PTransform):
    """RawRecords -> `Parsed` batches.

    Outputs, by tag: the main one; DEAD_LETTERS, tables of dead_letter_events; COUNTS, RunCounts
    of input rows and dead letters.

    Attributes:
        started_at: the run's moment, in UTC without a zone; dead letters carry it as failed_at.
        version: the pipeline's version.
        corrections: what earlier replays have corrected: a record that would be a dead letter is
            read as its correction says, if that passes. None for nothing.
        max_future_minutes: event times may be so much later than `started_at`.
    """

    started_at: datetime
    version: str
    corrections: Corrections | None = None
    max_future_minutes: int = 60

    def expand(self, records: beam.PCollection) -> pvalue.DoOutputsTuple:
        parse = beam.ParDo(_Parse(self)).with_output_types(
            Parsed, **{DEAD_LETTERS: pa.Table, COUNTS: RunCounts}
        )
        return records | "Validate" >> parse.with_outputs(DEAD_LETTERS, COUNTS, main="events")


class _Parse(beam.DoFn):
    def __init__(self, options: ParseEvents):
        self._options = options
        self._limits = Limits(options.max_future_minutes)

    def start_bundle(self) -> None:
        self._ahead = WorkAhead(self._parse)

    def process(self, records: RawRecords) -> Iterator[Parsed | pvalue.TaggedOutput]:
        for parts, letters, counts in self._ahead.put(records):
            yield from parts
            if letters.num_rows:
                yield pvalue.TaggedOutput(DEAD_LETTERS, letters)
            yield pvalue.TaggedOutput(COUNTS, counts)
            count(counts)

    def finish_bundle(self) -> Iterator[WindowedValue | pvalue.TaggedOutput]:
        for parts, letters, counts in self._ahead.finish():
            yield from map(GlobalWindows.windowed_value, parts)
            if letters.num_rows:
                yield pvalue.TaggedOutput(DEAD_LETTERS, GlobalWindows.windowed_value(letters))
            yield pvalue.TaggedOutput(COUNTS, GlobalWindows.windowed_value(counts))
            count(counts)

    def _parse(self, records: RawRecords) -> tuple[list[Parsed], pa.Table, RunCounts]:
        options = self._options
        parsed = parse_records(records, options.started_at, self._limits)
        letters = dead_letter_events.rows(
            parsed.rejections, records.source, options.started_at, options.version
        )
        parsed = replace(parsed, rejections=NO_REJECTIONS)
        counts = RunCounts(input_rows=len(records), ignored_amounts=parsed.ignored_amounts)
        parts = [parsed]
        if letters.num_rows and options.corrections is not None:
            # Beside the parser, because a Flatten of its own would send all events through coders.
            corrections = options.corrections.find(letters["dead_letter_id"])
            applied = apply_corrections(letters, corrections, options.started_at, self._limits)
            parts, letters = [parsed, applied.parsed], applied.letters
            counts = replace(
                counts,
                ignored_amounts=parsed.ignored_amounts + applied.parsed.ignored_amounts,
                corrected=applied.corrected,
                corrections_failed=applied.failed,
            )
        return parts, letters, RunCounts.total([counts, count_dead_letters(letters)])


def count_dead_letters(letters: pa.Table) -> RunCounts:
    """The counts of some rows of dead_letter_events, with an example of each error_type."""
    shown = letters.select(_SHOWN)
    totals = pc.value_counts(shown["error_type"]).to_pylist()
    return RunCounts(
        dead_letters={found["values"]: found["counts"] for found in totals},
        examples={found["values"]: _first(shown, found["values"]) for found in totals},
    )


def _first(shown: pa.Table, error_type: str) -> Example:
    """The letter of a type whose position is the shortest, and of these the least."""
    rows = np.flatnonzero(pc.equal(shown["error_type"], error_type))
    lengths = pc.binary_length(shown["position"]).to_numpy()[rows]
    rows = rows[lengths == lengths.min()]
    positions = shown["position"].take(pa.array(rows))
    return _example(shown, int(rows[pc.index(positions, pc.min(positions)).as_py()]))


def _example(shown: pa.Table, row: int) -> Example:
    _, message, payload, encoding, source, position = (
        column[row].as_py() for column in shown.columns
    )
    if encoding == "base64":
        payload = base64.b64decode(payload).decode(errors="replace")
    return Example(message[:300], payload[:300], source, position)


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
    shard = user_shards(parsed.events["user_id"], key, shards)
    order = np.argsort(shard, kind="stable")
    events = _lighten(parsed.events).take(pa.array(order))
    present, starts = np.unique(shard[order], return_index=True)
    ends = np.append(starts[1:], len(order))[: len(starts)]
    for number, start, end in zip(present.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield number, events.slice(start, end - start)


def _lighten(events: pa.RecordBatch) -> pa.RecordBatch:
    """Label columns with many distinct values as plain strings."""
    columns = [
        column.cast(pa.string())
        if field.type == LABEL and len(column.dictionary) > _LARGEST_DICTIONARY
        else column
        for field, column in zip(EVENT_BATCH, events.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, names=EVENT_BATCH.names)
