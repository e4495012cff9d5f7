"""A file of rules, and what is said of one that is wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Final

from transforms.data_error import DataError
from transforms.rules.model import Rules
from transforms.rules.rules_document import rules_of
from transforms.rules.shapes import ShapeError

# Python 3.11 has the place in the message alone.
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_SHOWN_LETTERS: Final = 80
# A part of a dotted key; within quotes a point is a letter.
_NAME: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[\w-]+)"""
_KEY: Final = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_HEADER: Final = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?")


def read_rules(data: bytes, name: str) -> Rules:
    """The rules of a file.

    Args:
        data: its bytes, TOML in UTF-8.
        name: the file, for messages.

    Raises:
        DataError: if it is none, with the line where that can be told.
    """
    try:
        text = data.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        problem = f"{name}: byte {error.start} is not UTF-8: save the file as UTF-8"
        raise DataError(problem) from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            f"{name}: {_quoted(error, text)}. Rules are TOML: a table as [columns], and in it "
            'lines as user_id = "userId", with texts in quotes'
        ) from error
    try:
        return rules_of(document)
    except ShapeError as error:
        line = line_of(text, error.keys)
        where = f"{name}, line {line}" if line else name
        key = ".".join(error.keys)
        raise DataError(f"{where}: {key + ' ' if key else ''}{error.problem}") from error


def _quoted(error: tomllib.TOMLDecodeError, text: str) -> str:
    """What is said of a text that is no TOML, with the line where it ends to be some."""
    found = _AT_LINE.search(str(error))
    if found is None:
        return str(error)
    line = text.splitlines()[int(found[1]) - 1].strip()
    return f"{error}: {line[:_SHOWN_LETTERS]!r}"


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line of a key in TOML, from 1, or of the nearest one around it; None where it is not
    found, as it may be written in many ways."""
    table: tuple[str, ...] = ()
    found: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        if header:
            table = _names(header[1])
        key = None if header else _KEY.match(line)
        path = (*table, *_names(key[1])) if key else table
        if header or key:
            length = len(path)
            if tuple(keys[:length]) == path and (found is None or length > found[0]):
                found = length, number
    return found[1] if found else None


def _names(key: str) -> tuple[str, ...]:
    """The parts of a dotted key."""
    return tuple(map(_name, re.findall(_NAME, key)))


def _name(part: str) -> str:
    try:
        (name,) = tomllib.loads(f"{part} = 0")
    except tomllib.TOMLDecodeError:  # It is no key: the line is one of a text of several.
        return part
    return name
