"""Where the values of a JSON array stand, or those of a text of JSON values one after the other.

Strings and brackets are found with NumPy, all at once; whether an element is sound JSON is for
others to say. Commas between elements may be missing or too many: nothing is lost by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from transforms.data_error import DataError

# Places of quotes and brackets take some 8 bytes for each byte of dense JSON.
BLOCK_BYTES: Final = 4 << 20
LONGEST_ELEMENT: Final = 32 << 20
_QUOTE, _BACKSLASH = b'"\\'
_SPACE: Final = b" \t\r\n"
_OPENING: Final = np.isin(np.arange(256), list(b"[{"))
_BRACKETS: Final = np.isin(np.arange(256), list(b"[]{}"))
_SCALAR: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[^\s,"]++|"', re.DOTALL)


@dataclass(frozen=True)
class Elements:
    """The elements of a block of JSON.

    Attributes:
        starts, ends: int64 [n], the spans of objects and arrays, in order.
        scalars: the spans of other values.
        consumed: how many bytes of the block these take; the rest is for the next block.
        end: where the array ends, its bracket left out; None where it goes on.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scalars: list[tuple[int, int]]
    consumed: int
    end: int | None


def find_elements(data: bytes, depth: int, final: bool) -> Elements:
    """The elements of a block.

    Args:
        data: the block; it begins between elements.
        depth: 1 within an array, 0 where values stand one after the other.
        final: whether the text ends with the block.
    """
    view = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero(_BRACKETS[view])
    outside = np.searchsorted(_quotes(data, view), brackets) % 2 == 0
    brackets = brackets[outside]
    opening = _OPENING[view[brackets]]
    depths = depth + np.cumsum(np.where(opening, 1, -1))
    end = None
    below = np.flatnonzero(depths < depth)
    if len(below):
        end = int(brackets[below[0]])
        brackets, opening, depths = (part[: below[0]] for part in (brackets, opening, depths))
    starts = brackets[opening & (depths == depth + 1)]
    ends = brackets[~opening & (depths == depth)] + 1
    behind = end
    if len(starts) > len(ends):
        behind, starts = int(starts[len(ends)]), starts[: len(ends)]
    elif end is None and final:
        behind = len(data)
    gaps = zip([0, *ends.tolist()], [*starts.tolist(), behind], strict=True)
    scalars = [span for start, stop in gaps for span in _scalars(data, start, stop)]
    consumed = behind if behind is not None else int(ends[-1]) if len(ends) else 0
    return Elements(starts, ends, scalars, consumed, end)


def _quotes(data: bytes, view: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where strings begin and end, in turn."""
    quotes = np.flatnonzero(view == _QUOTE)
    if b'\\"' not in data:
        return quotes
    slashes = np.flatnonzero(view == _BACKSLASH)
    begins = np.append(True, np.diff(slashes) > 1)
    run = np.maximum.accumulate(np.where(begins, slashes, 0))
    before = np.searchsorted(slashes, quotes) - 1
    escaped = (before >= 0) & (slashes[before] == quotes - 1) & ((quotes - run[before]) % 2 == 1)
    unescaped: NDArray[np.int64] = quotes[~escaped]
    return unescaped


def _scalars(data: bytes, start: int, stop: int | None) -> Iterator[tuple[int, int]]:
    """The spans of what stands between elements, but for commas; nothing where that is cut."""
    if stop is None or data[start:stop].strip(_SPACE) in (b"", b","):
        return
    for found in _SCALAR.finditer(data, start, stop):
        yield found.span()


def read_elements(
    stream: IO[bytes], source: str, offset: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[bytes, Elements, int]]:
    """Blocks of a stream: the text, its elements, and the byte offset at which it begins.

    Args:
        stream: stands where the array begins, or the first of other values.
        source: the file's path.
        offset: the stream's position in the (uncompressed) file.
        block_bytes: how much to read at a time.

    Raises:
        DataError: if an element or the array is not closed, or something stands behind the array.
    """
    rest = more = b""
    depth: int | None = None
    while True:
        text = stream.read(block_bytes)
        more += text
        # As much again as an element has already taken, so that a huge one is not read in squares.
        if text and len(more) < len(rest):
            continue
        data, more = rest + more, b""
        if depth is None:
            bare = data.lstrip(_SPACE)
            offset, data = offset + len(data) - len(bare), bare
            if data:
                depth = int(data.startswith(b"["))
                offset, data = offset + depth, data[depth:]
        found = find_elements(data, depth or 0, final=not text)
        yield data, found, offset
        rest, offset = data[found.consumed :], offset + found.consumed
        if found.end is not None:
            _refuse_more(rest[depth or 0 :], stream, source, offset + (depth or 0))
            return
        if not text:
            if rest or depth:
                raise _not_closed(source, offset, "the file ends within it" if rest else "")
            return
        if len(rest) > LONGEST_ELEMENT:
            raise _not_closed(source, offset, f"it is longer than {LONGEST_ELEMENT >> 20} MiB")


def _not_closed(source: str, offset: int, how: str) -> DataError:
    what = f"what begins at byte {offset:,} is not closed ({how})" if how else "its ] is missing"
    return DataError(
        f"{source} is no sound JSON: {what}: it was cut short, or a quote or a bracket is missing "
        "there; correct it, or write one object a line (jq -c '.[]'), where one broken line costs "
        "itself alone"
    )


def _refuse_more(rest: bytes, stream: IO[bytes], source: str, offset: int) -> None:
    while True:
        bare = rest.lstrip(_SPACE)
        if bare:
            place = offset + len(rest) - len(bare)
            raise DataError(
                f"{source}: at byte {place:,} its JSON array has ended, but there is more: "
                f"{bare[:40].decode(errors='replace')!r}; write one object a line (jq -c '.[]')"
            )
        offset += len(rest)
        rest = stream.read(BLOCK_BYTES)
        if not rest:
            return
