"""Text of any encoding -> UTF-8."""

from __future__ import annotations

import codecs
from typing import IO, Final

from transforms.kernels.input_formats import UTF_8

_MARKS: Final = {
    codecs.BOM_UTF8: UTF_8,
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_WIDE: Final = ("utf-32-be", "utf-32-le", "utf-16-be", "utf-16-le")
# Latin-1 has control characters there, which no text has, and cp1252 signs such as quotes and €.
_LATIN_1: Final = "iso8859-1"
_CP1252: Final = "cp1252"


def marked_encoding(start: bytes) -> str | None:
    """The encoding that a byte order mark names with which a text begins."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def unmarked_wide(start: bytes) -> str | None:
    """The encoding of two or four bytes a character in which most of a text is ASCII, as headers
    are; None where there is none."""
    head = start[: min(len(start), 200) // 4 * 4]
    for name in _WIDE:
        text = head.decode(name, errors="replace")
        if 2 * sum("\0" < letter < "\x80" for letter in text) > len(text):
            return name
    return None


def found_encoding(start: bytes) -> str:
    """The encoding of a text, by its byte order mark or its bytes.

    What is UTF-8 is that. So is what has more characters of UTF-8 beyond ASCII than bytes that are
    none: it has a few broken ones. Other text is cp1252, as Windows and Excel write it; Latin-1
    where it has bytes that cp1252 leaves undefined.

    Args:
        start: the first bytes of the text; the last character may be cut.
    """
    marked = marked_encoding(start)
    if marked is not None:
        return marked
    if b"\0" in start[:200]:
        return unmarked_wide(start) or UTF_8
    if start.isascii():
        return UTF_8
    text = codecs.getincrementaldecoder(UTF_8)("surrogateescape").decode(start)
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    broken = len(text) - len(text.encode("utf-8", "ignore").decode())
    if 2 * broken <= beyond:
        return UTF_8
    try:
        start.decode(_CP1252)
    except UnicodeDecodeError:
        return _LATIN_1
    return _CP1252


def of_mark(encoding: str, start: bytes) -> str:
    """An encoding with the order of its bytes: where its name leaves that open, as the mark says
    with which the text begins."""
    if encoding in ("utf-16", "utf-32"):
        marked = marked_encoding(start) or ""
        return marked if marked.startswith(encoding) else f"{encoding}-le"
    return encoding


class Transcoder:
    """A text of another encoding as a stream of UTF-8.

    Bytes that are none of the encoding become bytes that are no UTF-8, in their place: so the
    record that has them is a dead letter, and no other.

    Args:
        stream: its bytes.
        encoding: Python's name; not UTF-8.
    """

    def __init__(self, stream: IO[bytes], encoding: str):
        self._stream = stream
        # Half of a surrogate pair has no bytes of its own in a string.
        self._errors = "surrogatepass" if encoding.startswith("utf-") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """So many bytes or fewer; none at its end alone.

        Raises:
            UnicodeDecodeError: if the text ends within a character.
        """
        data = b"more"
        while data and not self._rest:
            data = self._stream.read(size)
            text = self._decoder.decode(data, final=not data)
            self._rest = text.encode(UTF_8, self._errors)
        found, self._rest = self._rest[:size], self._rest[size:]
        return found
