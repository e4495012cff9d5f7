"""Where the records of a CSV text begin and end, unbalanced quotes and all (RFC 4180).

A line break outside quotes ends a record. A quoted field that is not closed properly (before a
comma, a line break or the end, within `MAX_RECORD_LINES` and `MAX_RECORD_BYTES`) swallows nothing:
its record is the one line, and the next line begins a new record. So the records of a text do not
depend on how it is cut into blocks.

Spaces and tabs between a field's quotes and its commas are no part of it. A line of nothing but
commas, spaces, tabs and pairs of quotes around them (what a spreadsheet leaves of a row that was
emptied) is a blank line, and no record.

Most lines hold no quotes or well-formed ones; they are found with NumPy, all at once. The others
("odd" lines) are read one by one with a regular expression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.csv_dialect import RFC_4180, Dialect, patterns, record_patterns

MAX_RECORD_LINES: Final = 1_000
MAX_RECORD_BYTES: Final = 32 << 20
MAX_HEADER_BYTES: Final = 1 << 20
# A longer one is no record's part: it is a record by itself, whatever its quotes.
LONGEST_LINE: Final = MAX_RECORD_BYTES
BOM: Final = b"\xef\xbb\xbf"
NOT_CLOSED: Final = "a quoted field is not closed before a comma or the end of the record"

_LF, _CR = b"\n\r"
# So that memory follows the text: places of quotes take some 60 bytes each. Rows of quoted fields
# have 5 million in a block of 16 MiB.
_MOST_PLACES: Final = 6 << 20


@dataclass(frozen=True)
class OddRecord:
    """A record that was read on its own.

    Attributes:
        start, end: its span, without the line break.
        fields: its fields, unquoted; None where a quote is not closed properly, and of a line
            that is longer than any record.
        beyond: how many more bytes it has, of which the block knows the number alone.
    """

    start: int
    end: int
    fields: list[bytes] | None
    beyond: int = 0

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.start + self.beyond


@dataclass(frozen=True)
class Lines:
    """The records of a block of CSV text.

    Attributes:
        starts, ends: int64 [n], the spans of the plain records: one line each, valid UTF-8,
            quotes well formed, line breaks left out.
        odd: the other records.
        empty: int64 [m, 2], the spans of blank lines that have bytes all the same.
        consumed: how many bytes of the block these records and blank lines take; the rest is the
            beginning of a record that the block cuts.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    odd: list[OddRecord]
    empty: NDArray[np.int64]
    consumed: int


def split_fields(record: bytes, dialect: Dialect = RFC_4180) -> list[bytes]:
    """The fields of one well-formed record without its line break."""
    delimiter, quote = dialect.delimiter.encode(), dialect.quote.encode()
    fields = []
    for match in patterns(dialect).fields.finditer(record):
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace(2 * quote, quote))
        if match.end() == len(record) and not match.group().endswith(delimiter):
            break
    return fields


def first_record_end(text: bytes, final: bool, dialect: Dialect = RFC_4180) -> int | None:
    """Where a text's first record ends, of any number of fields, its line break included.

    Args:
        text: the text, or its beginning.
        final: whether that is all of it.
        dialect: of the text.

    Returns:
        None where more of the text is needed to tell.
    """
    record = patterns(dialect).first_record.match(text)
    if record and (final or record[0].endswith(b"\n")):
        return record.end()
    line_end = text.find(b"\n") + 1
    if final:
        return line_end or len(text)
    return line_end if line_end and len(text) >= MAX_HEADER_BYTES else None


def blank_beginning(text: bytes, dialect: Dialect = RFC_4180) -> int:
    """How many bytes of blank lines a text begins with; the last one may be cut."""
    return patterns(dialect).empty_lines.match(text).end()  # type: ignore[union-attr]


def is_blank(line: bytes, dialect: Dialect = RFC_4180) -> bool:
    """Whether a line, without its break, is no record."""
    return patterns(dialect).empty.fullmatch(line) is not None


def find_records(data: bytes, width: int, final: bool, dialect: Dialect = RFC_4180) -> Lines:
    """The records of a block.

    Args:
        data: the block; it begins where a record begins.
        width: the number of fields of the file's header. A quoted field that spans lines and
            whose record has another number is taken for one that is not closed properly.
        final: whether the text ends with the block.
        dialect: of the text.
    """
    view = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(view == _LF)
    if final and data and not data.endswith(b"\n"):
        breaks = np.append(breaks, len(data))
    starts, ends = _spans_of_lines(data, view, breaks)
    empty = _empty_lines(data, view, starts, ends, dialect)
    odd = odd_lines(data, view, starts, ends, dialect) & ~empty
    layout = _Layout(starts, ends, breaks, odd, empty)
    if odd.any():
        return _read_odd(data, layout, width, final, dialect)
    consumed = min(int(breaks[-1]) + 1, len(data)) if len(breaks) else 0
    plain = (ends > starts) & ~empty
    return Lines(starts[plain], ends[plain], [], _spans(layout, empty), consumed)


def sure_start(text: bytes, dialect: Dialect = RFC_4180) -> int | None:
    """Where in a text, which begins and ends anywhere, a record begins, whatever comes before it.

    A record of several lines begins with an odd one, and has `MAX_RECORD_LINES` at most: behind so
    many lines of which none is odd, no record goes on.

    Returns:
        None where there are not so many.
    """
    first = text.find(b"\n") + 1
    data = text[first : text.rfind(b"\n") + 1]
    view = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(view == _LF)
    odd = np.flatnonzero(odd_lines(data, view, *_spans_of_lines(data, view, breaks), dialect))
    edges = np.concatenate(([-1], odd, [len(breaks)]))
    (long_enough,) = np.nonzero(np.diff(edges) > MAX_RECORD_LINES)
    if not len(long_enough):
        return None
    last = int(edges[long_enough[0]]) + MAX_RECORD_LINES
    return first + int(breaks[last]) + 1


def _spans_of_lines(
    data: bytes, view: NDArray[np.uint8], breaks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where lines begin and end, without their breaks."""
    starts = np.concatenate(([0], breaks[:-1] + 1))[: len(breaks)]
    ends = breaks.copy()
    if b"\r" in data:
        ends -= (breaks > starts) & (view[breaks - 1] == _CR)
    return starts, ends


def _empty_lines(
    data: bytes,
    view: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    dialect: Dialect,
) -> NDArray[np.bool_]:
    """Which lines have bytes, but nothing in their fields."""
    empty = np.zeros(len(starts), np.bool_)
    of_empty_lines = np.isin(np.arange(256), list(dialect.blanks))
    # Three bytes rule out nearly all other lines.
    lines = np.flatnonzero(of_empty_lines[view[starts]] & (ends > starts))
    for place in (ends - 1, (starts + ends) // 2):
        lines = lines[of_empty_lines[view[place[lines]]]]
    for line in lines.tolist():
        empty[line] = is_blank(data[starts[line] : ends[line]], dialect)
    return empty


def odd_lines(
    data: bytes,
    view: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    dialect: Dialect,
) -> NDArray[np.bool_]:
    """Which lines hold quotes that are not well formed, a lone CR or invalid UTF-8, or are longer
    than any record: all others are records by themselves, unless one that begins before goes on."""
    odd: NDArray[np.bool_] = ends - starts > LONGEST_LINE
    if not len(starts):
        return odd
    if dialect.quotes(data):
        odd |= _ill_quoted(view, starts, ends, dialect)
    if b"\r" in data:
        returns = view == _CR
        returns[ends[ends < len(view)]] = False
        odd |= _having(returns, starts)
    # Only whole lines: where the block cuts a character, all the others would be tried one by one.
    if not data.isascii() and not _begins_in_utf8(data, int(ends[-1])):
        for line in np.flatnonzero(_having(view >= 0x80, starts)).tolist():
            odd[line] |= not _is_utf8(data[starts[line] : ends[line]])
    return odd


def _having(found: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lines have one of the bytes found; what lies behind the last counts as of that."""
    if np.count_nonzero(found) > _MOST_PLACES:
        return np.logical_or.reduceat(found, starts)
    lines = np.zeros(len(starts), np.bool_)
    lines[np.searchsorted(starts, np.flatnonzero(found), side="right") - 1] = True
    return lines


def _begins_in_utf8(data: bytes, size: int) -> bool:
    """Whether the first bytes are UTF-8; Arrow looks at them in a fifth of the time to decode."""
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, size], pa.int32()).buffers()[1], pa.py_buffer(data)]
    )
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ill_quoted(
    view: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    dialect: Dialect,
) -> NDArray[np.bool_]:
    """Lines in which, read from outside quotes, not every quote opens, closes or doubles one.

    Of a text of too many quotes all lines that have one: their places would take much memory.
    """
    found = view == dialect.quote_byte
    if np.count_nonzero(found) > _MOST_PLACES:
        return _having(found, starts)
    quotes = np.flatnonzero(found)
    line = np.searchsorted(starts, quotes, side="right") - 1
    inside = quotes < ends[line]
    quotes, line = quotes[inside], line[inside]
    if not len(quotes):
        return np.zeros(len(starts), np.bool_)
    per_line = np.bincount(line, minlength=len(starts))
    first = np.cumsum(per_line) - per_line
    opens = (np.arange(len(quotes)) - first[line]) % 2 == 0
    doubled = np.zeros(len(quotes), np.bool_)
    doubled[1:] = np.diff(quotes) == 1
    after_separator = (quotes == starts[line]) | (view[quotes - 1] == dialect.delimiter_byte)
    before_separator = (quotes + 1 == ends[line]) | (
        view[np.minimum(quotes + 1, len(view) - 1)] == dialect.delimiter_byte
    )
    well_formed = np.where(
        opens, after_separator | doubled, before_separator | np.append(doubled[1:], False)
    )
    ill: NDArray[np.bool_] = per_line % 2 == 1
    ill[line[~well_formed]] = True
    return ill


@dataclass(frozen=True)
class _Layout:
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    breaks: NDArray[np.int64]
    odd: NDArray[np.bool_]
    empty: NDArray[np.bool_]


def _spans(layout: _Layout, lines: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.column_stack([layout.starts[lines], layout.ends[lines]])


def _read_odd(data: bytes, layout: _Layout, width: int, final: bool, dialect: Dialect) -> Lines:
    empty = layout.empty.copy()
    plain = ~layout.odd & ~empty & (layout.ends > layout.starts)
    records: list[OddRecord] = []
    lines = len(layout.starts)
    for line, end_line in _odd_spans(data, layout, width, final, dialect):
        if end_line is None:
            lines = line
            break
        plain[line:end_line] = empty[line:end_line] = False
        start, end = int(layout.starts[line]), int(layout.ends[end_line - 1])
        if end > start:
            records.append(_odd_record(data, start, end, end_line - line == 1, dialect))
    plain[lines:] = empty[lines:] = False
    consumed = (
        int(layout.starts[lines])
        if lines < len(layout.starts)
        else min(int(layout.breaks[-1]) + 1, len(data))
    )
    return Lines(layout.starts[plain], layout.ends[plain], records, _spans(layout, empty), consumed)


def _odd_record(data: bytes, start: int, end: int, one_line: bool, dialect: Dialect) -> OddRecord:
    if one_line and end - start > LONGEST_LINE:
        return OddRecord(start, end, None)
    text = data[start:end]
    sound = not one_line or patterns(dialect).well_formed.fullmatch(text) is not None
    return OddRecord(start, end, split_fields(text, dialect) if sound else None)


def _odd_spans(
    data: bytes, layout: _Layout, width: int, final: bool, dialect: Dialect
) -> Iterator[tuple[int, int | None]]:
    """Spans of lines, first and one past the last, of the records that begin at an odd line.

    The second is None where the block ends inside the record.
    """
    next_line = 0
    for line in np.flatnonzero(layout.odd).tolist():
        if line < next_line:
            continue
        next_line = _record_end(data, layout, line, width, final, dialect) or 0
        yield line, next_line or None
        if not next_line:
            return


def _record_end(
    data: bytes, layout: _Layout, line: int, width: int, final: bool, dialect: Dialect
) -> int | None:
    start = int(layout.starts[line])
    last_line = line + MAX_RECORD_LINES - 1
    limit = start + MAX_RECORD_BYTES
    if last_line < len(layout.breaks):
        limit = min(limit, int(layout.breaks[last_line]) + 1)
    record, beginning = record_patterns(dialect, width)
    if not final and limit >= len(data) and beginning.match(data, start):
        return None
    match = record.match(data, start, limit)
    if match is None or (data[match.end() - 1] != _LF and match.end() < len(data)):
        return line + 1
    return int(np.searchsorted(layout.starts, match.end()))
