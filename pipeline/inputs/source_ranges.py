"""Ranges of sources, and the source rows in them."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final, cast

from pipeline.inputs.parquet_source import opened_parquet, read_parquet, row_group_ranges
from pipeline.inputs.source_streams import SourceStream, is_plain, opened_source
from pipeline.inputs.sources import Source
from transforms.kernels.csv_boundaries import record_boundaries
from transforms.kernels.csv_sources import cut_of, read_csv_rows
from transforms.kernels.json_rows import read_elements, read_lines
from transforms.kernels.source_rows import SourceRows, in_member

_SEEK_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class SourceRange:
    """Whole records of a source.

    Attributes:
        source: the source.
        start: byte offset of the first record in the source's text; of Parquet the first row group.
        size: bytes up to the end of the last record, None for up to the end of the source; of
            Parquet the number of row groups.
    """

    source: Source
    start: int
    size: int | None

    @property
    def stored_start(self) -> int:
        """From where on a worker that reads it reads the stored file, about."""
        begins = self.start <= self.source.first or not is_plain(self.source.form)
        return 0 if begins or self.source.form.kind == "parquet" else self.start


def source_ranges(source: Source, range_bytes: int | None) -> Iterator[SourceRange]:
    """The ranges of a source.

    Args:
        source: the source.
        range_bytes: about how large one is: of CSV and JSON lines that are stored as UTF-8 and
            uncompressed, and of Parquet, whose row groups stay whole; None for one range. Other
            sources are read in one piece.

    Raises:
        DataError: if it can't be read.
    """
    if source.form.kind == "parquet":
        with opened_parquet(source.file, source.form, source.member) as (found, _):
            for first, groups in row_group_ranges(found, range_bytes):
                yield SourceRange(source, first, groups)
        return
    splits = source.form.kind in ("csv", "jsonl") and is_plain(source.form)
    if range_bytes is None or not splits:
        yield SourceRange(source, source.first, None)
        return
    start = source.first
    with opened_source(source.file, source.form) as stream:
        ends = _csv_ends if source.form.kind == "csv" else _line_ends
        for end in ends(source, stream, range_bytes):
            if end > start:
                yield SourceRange(source, start, end - start)
                start = end


def _csv_ends(source: Source, stream: SourceStream, range_bytes: int) -> Iterator[int]:
    """Where ranges of CSV end, whose quotes say where records do."""
    return record_boundaries(
        cast(IO[bytes], stream),
        len(source.names),
        source.first,
        range_bytes,
        source.form.dialect,
    )


def _line_ends(source: Source, stream: SourceStream, range_bytes: int) -> Iterator[int]:
    """Where ranges of lines end: at the first line break behind so many bytes."""
    size, end = stream.seek(0, io.SEEK_END), source.first
    while end + range_bytes < size:
        end += range_bytes
        stream.seek(end)
        while text := stream.read(_SEEK_BYTES):
            place = text.find(b"\n")
            end += len(text) if place < 0 else place + 1
            if place >= 0:
                break
        yield end
    yield size


def source_rows(
    part: SourceRange, wanted: Sequence[str], labels: Collection[str] = ()
) -> Iterator[tuple[SourceRows, int]]:
    """The range's rows, block by block, each with how far the stored file has been read.

    Args:
        part: the range.
        wanted: of CSV the names of the columns to read; of Parquet those of columns, or of fields
            in them, with dots; of JSON nothing, as it stays text. What is not there is left out.
        labels: those of them that have few values: where they are texts they come as
            dictionaries, so that nobody has to make these.

    Raises:
        DataError: if the file can't be read, or has changed; or if it has a wanted column twice.
    """
    source = part.source
    if source.form.kind == "parquet":
        yield from _parquet_rows(part, wanted, labels)
        return
    with opened_source(source.file, source.form, source.member) as stream:
        _go_to(stream, part.start)
        for rows in _rows(cast(IO[bytes], stream), part, wanted, labels):
            yield in_member(rows, source.member), stream.stored_bytes
        stream.refuse_short(None if part.size is None else part.start + part.size)


def _parquet_rows(
    part: SourceRange, wanted: Sequence[str], labels: Collection[str]
) -> Iterator[tuple[SourceRows, int]]:
    source, path = part.source, part.source.file.path
    with opened_parquet(source.file, source.form, source.member, labels) as (found, stored):
        for rows in read_parquet(found, wanted, path, part.start, part.size or 0):
            yield in_member(rows, source.member), stored.tell()


def _go_to(stream: SourceStream, start: int) -> None:
    if stream.is_plain:
        stream.seek(start)
        return
    while start:
        start -= len(stream.read(min(start, _SEEK_BYTES)))


def _rows(
    stream: IO[bytes], part: SourceRange, wanted: Sequence[str], labels: Collection[str]
) -> Iterator[SourceRows]:
    source, path = part.source, part.source.file.path
    if source.form.kind == "csv":
        there = [name for name in dict.fromkeys(wanted) if name in source.names]
        cut = cut_of(source.names, there, labels, source.form.dialect, source.path)
        return read_csv_rows(stream, cut, there, path, part.start, part.size)
    if source.form.kind == "json":
        return read_elements(stream, path, part.start)
    return read_lines(stream, path, part.start, part.size)
