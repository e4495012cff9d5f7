"""How the fields of a CSV record are separated and quoted."""

from __future__ import annotations

import functools
import re
from typing import Any, Final, NamedTuple

DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

_NEVER: Final = rb"(?!)"


class Dialect(NamedTuple):
    """A way to write CSV; RFC 4180's by default.

    Attributes:
        delimiter: between fields; one ASCII character.
        quote: around fields, doubled within them; one ASCII character, or "" for none.
    """

    delimiter: str = ","
    quote: str = '"'

    @property
    def delimiter_byte(self) -> int:
        """The delimiter's code."""
        return ord(self.delimiter)

    @property
    def quote_byte(self) -> int:
        """The quote's code; where there is none, that of no byte."""
        return ord(self.quote) if self.quote else -1

    def quotes(self, data: bytes) -> bool:
        """Whether a text has a quote."""
        return bool(self.quote) and self.quote.encode() in data

    @property
    def padding(self) -> bytes:
        """What around a quoted field is no part of it: spaces, and tabs unless they delimit."""
        return b" " if self.delimiter == "\t" else b" \t"

    @property
    def blanks(self) -> bytes:
        """The bytes that a line with nothing in its fields may have."""
        return f"{self.delimiter}{self.quote}".encode() + self.padding

    @property
    def text(self) -> str:
        """It in words, as far as it is not the usual one: "semicolon, quote '"."""
        names = {character: name for name, character in DELIMITERS.items()}
        parts = [names.get(self.delimiter, repr(self.delimiter))]
        if self.quote != '"':
            parts.append(f"quote {self.quote}" if self.quote else "no quotes")
        return ", ".join(parts)


RFC_4180: Final = Dialect()


class Patterns(NamedTuple):
    """Regular expressions over the bytes of a dialect.

    Attributes:
        well_formed: a record whose quotes are all closed properly.
        first_record: one with its line break, or the end of the text behind it.
        fields: one field of a well-formed record, as its quoted text or its plain one.
        empty: a line with nothing in its fields.
        empty_lines: any number of them, with their breaks.
    """

    well_formed: re.Pattern[bytes]
    first_record: re.Pattern[bytes]
    fields: re.Pattern[bytes]
    empty: re.Pattern[bytes]
    empty_lines: re.Pattern[bytes]


@functools.cache
def patterns(dialect: Dialect) -> Patterns:
    """The expressions of a dialect, made once."""
    part = _parts(dialect)
    well_formed = rb"%(field)b(?:%(comma)b%(field)b)*+" % part
    empty_field = rb"%(pad)b(?:%(quote)b%(pad)b%(quote)b%(pad)b)?+" % part
    empty = rb"%b(?:%b%b)*+" % (empty_field, part[b"comma"], empty_field)
    fields = rb"(?:%(pad)b%(quote)b(%(quoted)b)%(quote)b%(pad)b|([^%(comma)b]*+))(?:%(comma)b|\Z)"
    return Patterns(
        well_formed=re.compile(well_formed),
        first_record=re.compile(rb"%b(?:\r?\n|\r?\Z)" % well_formed),
        fields=re.compile(fields % part, re.DOTALL),
        empty=re.compile(empty),
        empty_lines=re.compile(rb"(?:%b[\r\n])*+" % empty),
    )


@functools.cache
def record_patterns(dialect: Dialect, width: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """A record of so many fields with its line break, and one that more text could complete.

    Neither reads beyond its last field: however the quotes of a text are broken, a line of it is
    read for the records of `width` odd lines before it at most, not of all that a record may span.
    """
    part = _parts(dialect) | {b"others": width - 1}
    record = rb"%(field)b(?:%(comma)b%(field)b){%(others)d}+(?:\r?\n|\r?\Z)" % part
    ends_outside = rb"%(field)b(?:%(comma)b%(field)b){0,%(others)d}+\r?\Z" % part
    ends_inside = rb"(?:%(field)b%(comma)b){0,%(others)d}+%(open)b\Z" % part
    return re.compile(record), re.compile(rb"%b|%b" % (ends_outside, ends_inside))


def _parts(dialect: Dialect) -> dict[bytes, Any]:
    """Parts of expressions; where there are no quotes, those of a quoted field match nothing."""
    comma, pad = re.escape(dialect.delimiter.encode()), rb"[%b]*+" % dialect.padding
    quote = re.escape(dialect.quote.encode()) if dialect.quote else _NEVER
    quoted = rb"(?:[^%b]++|%b%b)*+" % (quote, quote, quote) if dialect.quote else _NEVER
    opened = pad + quote + quoted
    field = rb"(?:%b%b%b|(?!%b%b)[^%b\n]*+)" % (opened, quote, pad, pad, quote, comma)
    return {
        b"comma": comma,
        b"pad": pad,
        b"quote": quote,
        b"quoted": quoted,
        b"open": opened,
        b"field": field,
    }
