"""CSV text -> blocks of whole records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

import numpy as np

from transforms.kernels.csv_dialect import RFC_4180, Dialect
from transforms.kernels.csv_lines import LONGEST_LINE, Lines, OddRecord, find_records
from transforms.kernels.records import MAX_RECORD_BYTES

# 16 MiB are some 200,000 rows: columns of that length stay in the L2 cache while they are parsed.
BLOCK_BYTES: Final = 16 << 20

# So that memory follows the text: a line takes some 100 bytes, a dead letter 300. Rows have more
# than 64 bytes as a rule, so that most blocks stay whole.
_MOST_LINES: Final = 1 << 18

_LF: Final = ord("\n")


def blocks(
    stream: IO[bytes],
    width: int,
    offset: int,
    size: int | None,
    block_bytes: int,
    dialect: Dialect = RFC_4180,
) -> Iterator[tuple[bytes, Lines, int]]:
    """Blocks of a stream: the text, its records, and the byte offset at which it begins.

    Args:
        stream: stands where a record begins.
        width: how many fields a record has.
        offset: the stream's position in the (uncompressed) file.
        size: how many bytes to read, up to where another record begins; None for all.
        block_bytes: how much to read at a time.
        dialect: of the text.
    """
    rest = more = b""
    texts = _texts(stream, size, block_bytes)
    for text in texts:
        more += text
        # As much again as a record has already taken, so that a huge one is not read in squares.
        if text and len(more) < len(rest):
            continue
        data, more = rest + more, b""
        if not data:
            return
        lines = find_records(data, width, not text, dialect)
        yield data, lines, offset
        rest = data[lines.consumed :]
        offset += lines.consumed
        if len(rest) > LONGEST_LINE:
            data, lines, rest = _long_line(rest, texts)
            yield data, lines, offset
            offset += lines.consumed


def _texts(stream: IO[bytes], size: int | None, block_bytes: int) -> Iterator[bytes]:
    """The text in pieces of not too many lines; an empty one at its end."""
    left = size
    while True:
        text = stream.read(block_bytes if left is None else min(block_bytes, left))
        if left is not None:
            left -= len(text)
        yield from _divided(text)
        if not text:
            return


def _divided(text: bytes) -> Iterator[bytes]:
    # A third of the time that bytes.count takes.
    if np.count_nonzero(np.frombuffer(text, np.uint8) == _LF) <= _MOST_LINES:
        yield text
        return
    middle = len(text) // 2
    yield from _divided(text[:middle])
    yield from _divided(text[middle:])


def _long_line(beginning: bytes, texts: Iterator[bytes]) -> tuple[bytes, Lines, bytes]:
    """A line that is longer than any record, read to its end without being held.

    Args:
        beginning: of the line; it ends before the line does.
        texts: what follows.

    Returns:
        What is kept of the line, as a block of one record, and the text behind the line.
    """
    kept, read, last = beginning[:MAX_RECORD_BYTES], len(beginning), beginning[-1:]
    rest, ended = b"", 0
    for text in texts:
        end = text.find(b"\n")
        part = text if end < 0 else text[:end]
        read, last = read + len(part), part[-1:] or last
        if end >= 0:
            rest, ended = text[end + 1 :], 1
            break
    size = read - (last == b"\r")
    none = np.empty(0, np.int64)
    record = OddRecord(0, len(kept), None, size - len(kept))
    return kept, Lines(none, none, [record], none.reshape(0, 2), read + ended), rest
