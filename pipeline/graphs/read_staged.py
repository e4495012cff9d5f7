"""Events and dead letters that are staged -> what the batch graph begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam import pvalue
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.progress import Progress
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse.changes import StagedFile
from transforms.contract import Table
from transforms.data_error import DataError
from transforms.kernels.parse import Parsed
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events
from transforms.metrics import count
from transforms.parse_step import COUNTS, DEAD_LETTERS, count_dead_letters
from transforms.prefetch import prefetch
from transforms.stored_events import STORED, restored
from transforms.vocabulary import EVENT_TYPES

_BATCH_ROWS = 200_000
_BATCH_BYTES = 64 << 20


@dataclass
class ReadStaged(beam.PTransform):
    """StagedFiles of STORED and of dead_letter_events -> the outputs of `ParseEvents`.

    Attributes:
        spread: whether several workers are to share the files.
        progress: where workers on this machine note how far they are.
        event_types: the names of the event types, by their codes.
    """

    spread: bool
    progress: Progress | None = None
    event_types: tuple[str, ...] = EVENT_TYPES

    def expand(self, files: beam.PCollection) -> pvalue.DoOutputsTuple:
        if self.spread:
            files |= "Spread files" >> beam.Reshuffle()
        read = beam.ParDo(_Read(self.progress, self.event_types)).with_output_types(
            Parsed, **{DEAD_LETTERS: pa.Table, COUNTS: RunCounts}
        )
        return files | "Read rows" >> read.with_outputs(DEAD_LETTERS, COUNTS, main="events")


class _Read(beam.DoFn):
    def __init__(self, progress: Progress | None, event_types: tuple[str, ...]):
        self._progress, self._event_types = progress, event_types

    def process(self, file: StagedFile) -> Iterator[Parsed | pvalue.TaggedOutput]:
        done = 0
        if file.table == STORED.name:
            restore = partial(restored, event_types=self._event_types)
            for parsed in prefetch(map(restore, _rows(file, STORED))):
                yield parsed
                number = len(parsed.events)
                yield self._counted(RunCounts(input_rows=number))
                done += number
                self._report(file, done, number)
            return
        for dead_letters in _rows(file, dead_letter_events.TABLE):
            yield pvalue.TaggedOutput(DEAD_LETTERS, dead_letters)
            counts = RunCounts(input_rows=dead_letters.num_rows)
            yield self._counted(RunCounts.total([counts, count_dead_letters(dead_letters)]))
            done += dead_letters.num_rows
            self._report(file, done, dead_letters.num_rows)

    def _counted(self, counts: RunCounts) -> pvalue.TaggedOutput:
        count(counts)
        return pvalue.TaggedOutput(COUNTS, counts)

    def _report(self, file: StagedFile, done: int, more: int) -> None:
        if self._progress:
            self._progress.report(file.path, 0, file.bytes * done // file.rows, more)


def _rows(file: StagedFile, table: Table) -> Iterator[pa.Table]:
    """A staged file's rows, with the contract's Arrow types."""
    try:
        with FileSystems.open(file.path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            fitting = file.rows * _BATCH_BYTES // max(file.bytes, 1)
            rows = max(1, min(_BATCH_ROWS, fitting))
            for batch in pq.ParquetFile(stream).iter_batches(rows, use_threads=False):
                yield pa.Table.from_batches([batch]).cast(table.arrow_schema)
    except storage_errors(pa.ArrowException) as error:
        raise DataError(
            f"{file.path}: staged rows can't be read ({storage_reason(error)}): see that nobody "
            "else clears that folder, and run again"
        ) from error
