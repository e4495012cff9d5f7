"""Ranges of CSV files, and the raw records in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, NamedTuple, cast

from pipeline.inputs.input_streams import opened
from pipeline.inputs.input_versions import InputFile
from transforms.kernels.csv_boundaries import record_boundaries
from transforms.kernels.csv_header import Header, read_header
from transforms.kernels.csv_layout import Layout
from transforms.kernels.csv_records import read_blocks
from transforms.kernels.records import RawRecords


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


def ranges(file: InputFile, range_bytes: int | None) -> Iterator[FileRange]:
    """The ranges of a file; none where it holds nothing but a header.

    Args:
        file: the file.
        range_bytes: about how large one is of an uncompressed file; None for one range.

    Raises:
        DataError: if the file can't be read, or has no header that fits.
    """
    with opened(file) as stream:
        header = read_header(cast(IO[bytes], stream), file.path)
        if header is None:
            return
        layout = header.layout
        known = (*file, stream.compressed, layout.fields, layout.places, header.length)
        found = partial(FileRange, *known)
        start = header.length
        if range_bytes is None or stream.compressed:
            yield found(start, None)
            return
        for end in record_boundaries(cast(IO[bytes], stream), layout.fields, start, range_bytes):
            if end > start:
                yield found(start, end - start)
                start = end


def blocks(part: FileRange) -> Iterator[tuple[RawRecords, int]]:
    """The range's records, block by block, each with how far the stored file has been read.

    Raises:
        DataError: if the file can't be read, or has changed.
    """
    header = Header(Layout(part.fields, tuple(part.places)), part.header_bytes)
    # In another process a range has the fields of its class, and nothing else of it.
    file = InputFile(part.path, part.stored, part.version)
    with opened(file, part.compressed) as stream:
        stream.seek(part.start)
        found = read_blocks(cast(IO[bytes], stream), header, part.path, part.start, part.size)
        for records in found:
            yield records, stream.stored_bytes
        stream.refuse_short(None if part.size is None else part.start + part.size)
