"""CSV text -> raw records, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

import pyarrow as pa

from transforms.kernels.csv_blocks import BLOCK_BYTES, blocks
from transforms.kernels.csv_columns import Cut, cut_block
from transforms.kernels.csv_header import Header
from transforms.kernels.event_batch import LABEL
from transforms.kernels.records import RawRecords
from transforms.vocabulary import SOURCE_COLUMNS

_TYPES: Final = {
    "event_time": pa.string(),
    "user_id": pa.string(),
}


def read_blocks(
    stream: IO[bytes],
    header: Header,
    source: str,
    offset: int,
    size: int | None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[RawRecords]:
    """The records of a stream, in blocks.

    Args:
        stream: stands where a record begins.
        header: the file's header.
        source: the file's path.
        offset: the stream's position in the (uncompressed) file.
        size: how many bytes to read, up to where another record begins; None for all.
        block_bytes: how much to read at a time.
    """
    layout = header.layout
    types = [_TYPES.get(name, LABEL) for name in SOURCE_COLUMNS]
    cut = Cut(layout.fields, layout.places, types, layout.attributes)
    for data, lines, at in blocks(stream, layout.fields, offset, size, block_bytes):
        columns, spans, unreadable = cut_block(data, lines, cut, source, at)
        yield RawRecords(columns, spans, source, unreadable)
