"""A CSV file, read byte by byte: where its records are, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from tests.fuzz.contract import COLUMNS, Event, Refused, event_of

_BOM: Final = b"\xef\xbb\xbf"
_SPACES: Final = (b" ", b"\t")


class Record(NamedTuple):
    """A record of a file: its offset, its bytes without the line break, its fields.

    `fields` is None where a quoted field is not closed properly.
    """

    start: int
    payload: bytes
    fields: list[bytes] | None


class Outcome(NamedTuple):
    """What becomes of a record."""

    start: int
    payload: bytes
    result: Event | Refused


def outcomes(file: bytes, now: datetime) -> list[Outcome]:
    """What becomes of each record of a file, by its position; the header is well formed."""
    begin = len(_BOM) if file.startswith(_BOM) else 0
    while file[begin : begin + 1] in (b"\r", b"\n"):
        begin += 1
    head = _record_at(file, begin)
    if head is None:
        return []
    fields, end = head
    names = [name.decode(errors="replace").strip() for name in fields]
    return [
        Outcome(record.start, record.payload, _result(record, names, now))
        for record in records(file, _next_line(file, end), len(names))
    ]


def records(file: bytes, at: int, width: int) -> Iterator[Record]:
    """The records from `at` on, of which each should have `width` fields."""
    while at < len(file):
        line_end = file.find(b"\n", at)
        line = file[at : len(file) if line_end < 0 else line_end]
        record, after = Record(at, line.removesuffix(b"\r"), None), at + len(line) + 1
        read = _record_at(file, at)
        if read is not None:
            fields, end = read
            if b"\n" not in file[at:end] or len(fields) == width:
                record, after = Record(at, file[at:end], fields), _next_line(file, end)
        if not _is_empty(record):
            yield record
        at = after


def _is_empty(record: Record) -> bool:
    """A line without anything: of commas, spaces, tabs and pairs of quotes around them alone."""
    if record.fields is None or set(record.payload) - set(b', \t"'):
        return False
    return not any(field.strip(b" \t") for field in record.fields)


def _result(record: Record, names: list[str], now: datetime) -> Event | Refused:
    if record.fields is None:
        return Refused("malformed_row")
    try:
        record.payload.decode()
    except UnicodeDecodeError:
        return Refused("invalid_utf8")
    if len(record.fields) != len(names):
        return Refused("malformed_row")
    return event_of({name: record.fields[names.index(name)].decode() for name in COLUMNS}, now)


def _next_line(file: bytes, end: int) -> int:
    line_end = file.find(b"\n", end)
    return len(file) if line_end < 0 else line_end + 1


def _record_at(file: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The fields of the record that begins at an offset, and where its line break begins.

    None where a quoted field is not followed by a comma, a line break or the end.
    """
    fields = []
    while True:
        field = _quoted(file, at) or _unquoted(file, at)
        if field is None:
            return None
        text, at = field
        fields.append(text)
        if file[at : at + 1] != b",":
            return (fields, at) if _ends(file, at) else None
        at += 1


def _ends(file: bytes, at: int) -> bool:
    """Whether a line ends there; a lone CR ends one at the file's end only."""
    return file[at:] in (b"", b"\r") or file.startswith((b"\n", b"\r\n"), at)


def _unquoted(file: bytes, at: int) -> tuple[bytes, int] | None:
    begin = at
    while not (file[at : at + 1] == b"," or _ends(file, at)):
        at += 1
    text = file[begin:at]
    # What begins with a quote, be it behind spaces, is a quoted field or none at all.
    return None if text.lstrip(b" \t").startswith(b'"') else (text, at)


def _quoted(file: bytes, at: int) -> tuple[bytes, int] | None:
    """A field in quotes, with spaces around them or not."""
    while file[at : at + 1] in _SPACES:
        at += 1
    if file[at : at + 1] != b'"':
        return None
    at += 1
    text = bytearray()
    while True:
        if at >= len(file):
            return None
        if file[at : at + 2] == b'""':
            text += b'"'
            at += 2
        elif file[at : at + 1] == b'"':
            at += 1
            break
        else:
            text.append(file[at])
            at += 1
    while file[at : at + 1] in _SPACES:
        at += 1
    return (bytes(text), at) if file[at : at + 1] == b"," or _ends(file, at) else None
