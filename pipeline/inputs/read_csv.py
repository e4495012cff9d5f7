"""CSV files -> raw records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from pipeline.inputs.csv_ranges import FileRange, blocks, ranges
from pipeline.progress import Progress
from transforms.kernels.records import RawRecords
from transforms.prefetch import prefetch


@dataclass
class ReadCsv(beam.PTransform):
    """InputFiles -> RawRecords, in blocks of some 16 MiB.

    Attributes:
        range_bytes: about how large a range one worker reads of an uncompressed file; its ranges
            begin where records begin, which costs a look at some lines of each. None to read each
            file in one piece.
        progress: where workers on this machine note how far they are.
    """

    range_bytes: int | None = None
    progress: Progress | None = None

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        found = files | "Find records" >> beam.FlatMap(ranges, self.range_bytes).with_output_types(
            FileRange
        )
        if self.range_bytes is not None:
            found |= "Spread ranges" >> beam.Reshuffle()
        return found | "Read records" >> beam.ParDo(_Read(self.progress)).with_output_types(
            RawRecords
        )


class _Read(beam.DoFn):
    def __init__(self, progress: Progress | None):
        self._progress = progress

    def process(self, part: FileRange) -> Iterator[RawRecords]:
        begin = part.start if part.start > part.header_bytes else 0
        for records, read in prefetch(blocks(part)):
            yield records
            if self._progress:
                self._progress.report(part.path, begin, read, len(records))
