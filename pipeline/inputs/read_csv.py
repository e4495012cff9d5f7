"""CSV files -> raw records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, NamedTuple, cast

import apache_beam as beam

from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import InputFile
from pipeline.progress import Progress
from transforms.kernels.csv_blocks import record_boundaries
from transforms.kernels.csv_header import Header, read_header
from transforms.kernels.csv_layout import Layout
from transforms.kernels.csv_records import read_blocks
from transforms.kernels.records import RawRecords
from transforms.prefetch import prefetch


class FileRange(NamedTuple):
    """Whole records of a file.

    Attributes:
        path: the file.
        stored: its stored size in bytes when it was listed; what was appended since is not read.
        version: of the file, as `InputFile` has it.
        compressed: whether it is.
        fields: how many fields its header has.
        places: the index of each source column among them.
        header_bytes: how many bytes come before its first record.
        start: byte offset of the first record.
        size: bytes up to the end of the last record; None for up to the end of the file.
    """

    path: str
    stored: int
    version: str
    compressed: bool
    fields: int
    places: Sequence[int]
    header_bytes: int
    start: int
    size: int | None


@dataclass
class ReadCsv(beam.PTransform):
    """InputFiles -> RawRecords, in blocks of some 16 MiB.

    Attributes:
        range_bytes: about how large a range one worker reads of an uncompressed file; its ranges
            begin where records begin, which costs a first look at the file. None to read each
            file in one piece.
        progress: where workers on this machine note how far they are.
    """

    range_bytes: int | None = None
    progress: Progress | None = None

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        ranges = files | "Find records" >> beam.FlatMap(
            _ranges, self.range_bytes
        ).with_output_types(FileRange)
        if self.range_bytes is not None:
            ranges |= "Spread ranges" >> beam.Reshuffle()
        return ranges | "Read records" >> beam.ParDo(_Read(self.progress)).with_output_types(
            RawRecords
        )


def _ranges(file: InputFile, range_bytes: int | None) -> Iterator[FileRange]:
    with opened(file) as stream:
        header = read_header(cast(IO[bytes], stream), file.path)
        if header is None:
            return
        layout = header.layout
        known = (*file, stream.compressed, layout.fields, layout.places, header.length)
        found = partial(FileRange, *known)
        start = end = header.length
        if range_bytes is None or stream.compressed:
            yield found(start, None)
            return
        stream.seek(start)
        blocks = record_boundaries(
            cast(IO[bytes], stream), header, start, min(range_bytes, 16 << 20)
        )
        for end in blocks:
            if end - start >= range_bytes:
                yield found(start, end - start)
                start = end
    if end > start:
        yield found(start, end - start)


class _Read(beam.DoFn):
    def __init__(self, progress: Progress | None):
        self._progress = progress

    def process(self, part: FileRange) -> Iterator[RawRecords]:
        header = Header(Layout(part.fields, tuple(part.places)), part.header_bytes)
        begin = part.start if part.start > part.header_bytes else 0
        for records, read in prefetch(_blocks(part, header)):
            yield records
            if self._progress:
                self._progress.report(part.path, begin, read, len(records))


def _blocks(part: FileRange, header: Header) -> Iterator[tuple[RawRecords, int]]:
    """The range's records, block by block, each with how far the stored file has been read."""
    # In another process a range has the fields of its class, and nothing else of it.
    file = InputFile(part.path, part.stored, part.version)
    with opened(file, part.compressed) as stream:
        stream.seek(part.start)
        blocks = read_blocks(cast(IO[bytes], stream), header, part.path, part.start, part.size)
        for records in blocks:
            yield records, stream.stored_bytes
        stream.refuse_short(None if part.size is None else part.start + part.size)
