"""The dialect of a CSV text, by its first records."""

from __future__ import annotations

import re
from typing import Final

from transforms.kernels.csv_dialect import DELIMITERS, RFC_4180, Dialect
from transforms.kernels.csv_lines import (
    blank_beginning,
    find_records,
    first_record_end,
    split_fields,
)
from transforms.kernels.input_formats import Given
from transforms.kernels.starts import separator_line

# Records that are looked at for their number of fields.
_LOOKED_AT: Final = 100
_SINGLE_QUOTED: Final = re.compile(rb"[ \t]*'[^'\n]*'(?:[ \t]*[,;\t|][ \t]*'[^'\n]*')*\s*")


def guessed_dialect(text: bytes, given: Given) -> Dialect:
    """The dialect of a text, as far as it is not given.

    The delimiter is the one that a first line `sep=;` names; else that of comma, semicolon, tab and
    pipe by which most of the first records have as many fields as the header, more than one; of
    several the one that makes most. The quote is `"`, unless all of the header is in `'`.

    Args:
        text: the beginning of a file, without a byte order mark; its last record may be cut.
        given: what is known of the file; `names` stand for a header.
    """
    length, separator = separator_line(text)
    text = text[length:]
    text = text[blank_beginning(text) :]
    quote = given.quote
    if quote is None:
        first = text.partition(b"\n")[0]
        quote = "'" if _SINGLE_QUOTED.fullmatch(first) else RFC_4180.quote
    if given.delimiter or separator:
        return Dialect(given.delimiter or separator, quote)
    dialects = [Dialect(delimiter, quote) for delimiter in DELIMITERS.values()]
    return max(dialects, key=lambda dialect: _fit(text, dialect, given.names))


def _fit(text: bytes, dialect: Dialect, names: tuple[str, ...]) -> tuple[float, int]:
    """How many of the first records have the width of the header, and that width."""
    width = len(names)
    if not names:
        length = first_record_end(text, True, dialect) or 0
        width = len(split_fields(text[:length].rstrip(b"\r\n"), dialect))
        text = text[length:]
    if width < 2:
        return -1, 0
    lines = find_records(text, width, False, dialect)
    spans = list(zip(lines.starts.tolist(), lines.ends.tolist(), strict=True))[:_LOOKED_AT]
    if not spans:
        return (1, width) if not names else (0, width)
    fitting = sum(len(split_fields(text[start:end], dialect)) == width for start, end in spans)
    return fitting / len(spans), width
