"""The header of a CSV file, and where its second record begins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, Final, NamedTuple

from transforms.data_error import DataError
from transforms.kernels.column_names import alike
from transforms.kernels.csv_dialect import DELIMITERS, RFC_4180, Dialect
from transforms.kernels.csv_layout import Layout
from transforms.kernels.csv_lines import (
    BOM,
    MAX_HEADER_BYTES,
    blank_beginning,
    first_record_end,
    is_blank,
    split_fields,
)
from transforms.kernels.starts import refuse_start, separator_line
from transforms.vocabulary import SOURCE_COLUMNS

_NEEDED: Final = f"Every file needs a header with the columns {', '.join(SOURCE_COLUMNS)}"
_HEADER_READ: Final = 1 << 16


@dataclass(frozen=True)
class Header:
    """A file's first record.

    Attributes:
        layout: where in a record the source columns stand.
        length: how many bytes of the file come before the second record, the BOM included.
    """

    layout: Layout
    length: int


class Names(NamedTuple):
    """A file's first record.

    Attributes:
        names: its fields, trimmed.
        length: how many bytes of the file come before the second record, the BOM included.
    """

    names: tuple[str, ...]
    length: int


def read_header(stream: IO[bytes], source: str) -> Header | None:
    """The header of a CSV file, read from the file's beginning.

    Returns:
        None where the file holds nothing but blank lines.

    Raises:
        DataError: if it is no CSV in UTF-8, a source column is missing or there twice, or no line
            ends where one should.
    """
    found = read_names(stream, source)
    if found is None:
        return None
    _check_columns(found.names, source)
    return Header(Layout.of(found.names), found.length)


def read_names(stream: IO[bytes], source: str, dialect: Dialect = RFC_4180) -> Names | None:
    """The names in the header of a CSV file, whatever they are, read from the file's beginning.

    Returns:
        None where the file holds nothing but blank lines.

    Raises:
        DataError: if it is no CSV in UTF-8, or no line ends where one should.
    """
    text = stream.read(_HEADER_READ)
    refuse_start(text, source)
    before = text_beginning(text, source, dialect)
    text = text[before:]
    final = False
    while True:
        blank = blank_beginning(text, dialect)
        text, before = text[blank:], before + blank
        if final and is_blank(text, dialect):
            return None
        length = first_record_end(text, final, dialect)
        if length is not None:
            break
        refuse_start(text, source)
        if len(text) >= MAX_HEADER_BYTES:
            raise DataError(
                f"{source}: no line ends in its first {MAX_HEADER_BYTES >> 20} MiB: a CSV file is "
                "needed whose lines end in LF or CRLF"
            )
        more = stream.read(_HEADER_READ)
        text, final = text + more, not more
    record = text[:length].rstrip(b"\r\n")
    fields = split_fields(record, dialect)
    return Names(tuple(name.decode(errors="replace").strip() for name in fields), before + length)


def text_beginning(text: bytes, source: str, dialect: Dialect) -> int:
    """How many bytes of a file come before its header: a BOM, and a line `sep=,`.

    Raises:
        DataError: if that line names another separator than the dialect's.
    """
    mark = len(BOM) if text.startswith(BOM) else 0
    length, separator = separator_line(text[mark:])
    if separator and separator != dialect.delimiter:
        named = "commas" if dialect == RFC_4180 else repr(dialect.delimiter)
        raise DataError(
            f"{source}: its first line says that {separator!r} separates its fields: they must be "
            f"separated by {named}, or read by --rules, of which [input] delimiter = "
            f"{json.dumps(separator)} is a line"
        )
    return mark + length


def _check_columns(names: tuple[str, ...], source: str) -> None:
    missing = [name for name in SOURCE_COLUMNS if name not in names]
    if missing:
        found = ", ".join(names)[:300]
        hint = _hint(names, missing)
        if len(missing) == len(SOURCE_COLUMNS):
            lacks = "no header is found" if _has_values(names) else "its header is another"
            raise DataError(
                f"{source}: {lacks}; the first line is {found!a}{hint}. {_NEEDED}; files with "
                "columns of their own are read by --preset or --rules, which inspect proposes"
            )
        raise DataError(
            f"{source}: the header lacks {', '.join(missing)}; it has {found!a}{hint}. {_NEEDED}"
        )
    repeated = [name for name in SOURCE_COLUMNS if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"{source}: the header has {', '.join(repeated)} more than once: rename or remove "
            "one of them, so that it is clear which to read"
        )


def _has_values(names: tuple[str, ...]) -> bool:
    """Whether a first line is an event: names of columns do not begin with a digit."""
    return any(name[:1].isdigit() for name in names)


def _hint(names: tuple[str, ...], missing: list[str]) -> str:
    """What a header that lacks columns may have instead, and the lines of rules that would do."""
    others = [delimiter for delimiter in DELIMITERS.values() if delimiter in names[0]]
    if len(names) == 1 and others:
        return (
            " (its fields must be separated by commas, or read by --rules, of which [input] "
            f"delimiter = {json.dumps(others[0])} is a line)"
        )
    close = alike(missing, [name for name in names if name and name not in SOURCE_COLUMNS])
    if not close:
        return ""
    ordered = [(name, close[name]) for name in missing if name in close]
    told = "; ".join(f"{theirs!r} looks like {name}" for name, theirs in ordered)
    lines = ", ".join(
        f"{name} = {json.dumps(theirs, ensure_ascii=False)}" for name, theirs in ordered
    )
    them, are = ("it", "is a line") if len(ordered) == 1 else ("them", "are lines")
    return f" ({told}: rename {them}, or read {them} by --rules, of which [columns] {lines} {are})"
