"""Events and dead letters that are staged -> what the batch graph begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.transforms.window import GlobalWindows

from pipeline.graphs.staged_parts import staged_parts
from pipeline.progress import Progress
from pipeline.warehouse.changes import StagedFile
from transforms.kernels.parse import Parsed
from transforms.kernels.run_counts import RunCounts
from transforms.parse_outputs import beside_events
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.prefetch import prefetch
from transforms.vocabulary import EVENT_TYPES


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
        for part in prefetch(staged_parts(file, self._event_types)):
            yield from part.parsed
            yield from beside_events(part, GlobalWindows.windowed_value)
            rows = part.counts.input_rows
            done += rows
            if self._progress:
                self._progress.report(file.path, 0, file.bytes * done // file.rows, rows)
