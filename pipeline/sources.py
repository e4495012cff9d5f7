"""CSV files -> raw records."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, NamedTuple, cast

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.progress import Progress
from pipeline.storage_errors import STORAGE_ERRORS, storage_reason
from transforms.ahead import ahead
from transforms.errors import DataError
from transforms.kernels.csv_records import (
    Header,
    read_blocks,
    read_header,
    record_boundaries,
)
from transforms.kernels.records import RawRecords


class FileRange(NamedTuple):
    """Whole records of a file.

    Attributes:
        path: the file.
        columns: the fields of its header.
        header_bytes: how many bytes come before its first record.
        start: byte offset of the first record.
        size: bytes up to the end of the last record; None for up to the end of the file.
    """

    path: str
    columns: Sequence[str]
    header_bytes: int
    start: int
    size: int | None


beam.coders.registry.register_coder(FileRange, beam.coders.RowCoder)


@dataclass
class ReadCsv(beam.PTransform):
    """File paths -> RawRecords, in blocks of some 16 MiB.

    Attributes:
        range_bytes: about how large a range one worker reads of an uncompressed file; its ranges
            begin where records begin, which costs a first look at the file. None to read each
            file in one piece.
        progress: where workers on this machine tell how far they are.
    """

    range_bytes: int | None = None
    progress: Progress | None = None

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        ranges = paths | "Find records" >> beam.FlatMap(
            _ranges, self.range_bytes
        ).with_output_types(FileRange)
        if self.range_bytes is not None:
            ranges |= "Spread ranges" >> beam.Reshuffle()
        return ranges | "Read records" >> beam.ParDo(_Read(self.progress)).with_output_types(
            RawRecords
        )


def _ranges(path: str, range_bytes: int | None) -> Iterator[FileRange]:
    with _opened(path) as stream:
        header = read_header(stream, path)
    if header is None:
        return
    if range_bytes is None or path.endswith(".gz"):
        yield FileRange(path, header.columns, header.length, header.length, None)
        return
    with _opened(path) as stream:
        start = header.length
        stream.seek(start)
        end = start
        for end in record_boundaries(stream, header, start, min(range_bytes, 16 << 20)):
            if end - start >= range_bytes:
                yield FileRange(path, header.columns, header.length, start, end - start)
                start = end
    if end > start:
        yield FileRange(path, header.columns, header.length, start, end - start)


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """The file's text, decompressed; what goes wrong while it is read names the file."""
    try:
        # Uncompressed here, because Beam's own decompression hides where in a file it failed.
        raw = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
        with cast(IO[bytes], gzip.open(raw) if path.endswith(".gz") else raw) as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip data is damaged or cut short ({error}): upload the file again, and "
            "run again"
        ) from error
    except STORAGE_ERRORS as error:
        raise DataError(
            f"{path}: can't be read ({storage_reason(error)}): check that it is still there and "
            "that you may read it, and run again"
        ) from error


class _Read(beam.DoFn):
    def __init__(self, progress: Progress | None):
        self._progress = progress

    def process(self, part: FileRange) -> Iterator[RawRecords]:
        header = Header(tuple(part.columns), part.header_bytes)
        begin = part.start if part.start > part.header_bytes else 0
        for records, read in ahead(_blocks(part, header)):
            yield records
            if self._progress:
                self._progress.report(part.path, begin, read, len(records))


def _blocks(part: FileRange, header: Header) -> Iterator[tuple[RawRecords, int]]:
    """The range's records, block by block, each with how far the stored file has been read."""
    with _opened(part.path) as stream:
        _skip(stream, part.start)
        stored = stream.fileobj if isinstance(stream, gzip.GzipFile) else stream
        for records in read_blocks(stream, header, part.path, part.start, part.size):
            yield records, stored.tell()


def _skip(stream: IO[bytes], start: int) -> None:
    if isinstance(stream, gzip.GzipFile):
        stream.read(start)
    else:
        stream.seek(start)
