"""Where a CSV text can be cut between records, without reading all of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Final

from transforms.kernels.csv_blocks import BLOCK_BYTES, blocks
from transforms.kernels.csv_dialect import RFC_4180, Dialect
from transforms.kernels.csv_lines import sure_start

# Of short rows the first one holds enough lines, of long ones the second.
_LOOK_BYTES: Final = (256 << 10, 4 << 20)


def record_boundaries(
    stream: IO[bytes], width: int, offset: int, range_bytes: int, dialect: Dialect = RFC_4180
) -> Iterator[int]:
    """Byte offsets at which records begin, each `range_bytes` or more behind the one before; the
    last is the text's end.

    Of most texts a few lines behind so many bytes are read. Where these don't show a record's
    beginning, as where fields hold many line breaks, all of the text before is.

    Args:
        stream: can be sought in.
        width: how many fields a record has.
        offset: where a record begins.
        range_bytes: how many bytes there are between two of the offsets, about.
        dialect: of the text.
    """
    size = stream.seek(0, io.SEEK_END)
    while offset + range_bytes < size:
        found = _start_behind(stream, offset + range_bytes, dialect)
        if found is None:
            found = _end_of_blocks(stream, width, offset, range_bytes, dialect)
        if not offset < found < size:
            break
        yield found
        offset = found
    yield size


def _start_behind(stream: IO[bytes], place: int, dialect: Dialect) -> int | None:
    for size in _LOOK_BYTES:
        stream.seek(place)
        found = sure_start(stream.read(size), dialect)
        if found is not None:
            return place + found
    return None


def _end_of_blocks(
    stream: IO[bytes], width: int, offset: int, range_bytes: int, dialect: Dialect
) -> int:
    """The end of the first block that ends so far behind a record's beginning."""
    stream.seek(offset)
    end = offset
    for _, lines, at in blocks(stream, width, offset, None, min(range_bytes, BLOCK_BYTES), dialect):
        end = at + lines.consumed
        if end - offset >= range_bytes:
            break
    return end
