"""The header of a CSV file, and where its second record begins."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import IO, Final

from transforms.data_error import DataError
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


def read_header(stream: IO[bytes], source: str) -> Header | None:
    """The header of a CSV file, read from the file's beginning.

    Returns:
        None where the file holds nothing but blank lines.

    Raises:
        DataError: if it is no CSV in UTF-8, a source column is missing or there twice, or no line
            ends where one should.
    """
    text = stream.read(_HEADER_READ)
    refuse_start(text, source)
    before = len(BOM) if text.startswith(BOM) else 0
    before += separator_line(text[before:], source)
    text = text[before:]
    final = False
    while True:
        blank = blank_beginning(text)
        text, before = text[blank:], before + blank
        if final and is_blank(text):
            return None
        length = first_record_end(text, final)
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
    names = tuple(name.decode(errors="replace").strip() for name in split_fields(record))
    _check_columns(names, source)
    return Header(Layout.of(names), before + length)


def _check_columns(names: tuple[str, ...], source: str) -> None:
    missing = [name for name in SOURCE_COLUMNS if name not in names]
    if missing:
        others = {name.lower(): name for name in names if name not in SOURCE_COLUMNS}
        hints = [
            f"{others[close[0]]!r} looks like {name}"
            for name in missing
            if (close := difflib.get_close_matches(name, others, n=1))
        ]
        if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
            hints = ["its fields must be separated by commas"]
        found = ", ".join(names)[:300]
        hint = f" ({'; '.join(hints)})" if hints else ""
        if len(missing) == len(SOURCE_COLUMNS):
            raise DataError(
                f"{source}: no header is found; the first line is {found!a}{hint}. {_NEEDED}"
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
