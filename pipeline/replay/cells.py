"""The cells of a CSV file as editors and spreadsheets write it.

Python's csv module reads cells of 128 KiB at most, or changes that limit for the whole process; a
dead letter may have 10 MB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a CSV file.

    Attributes:
        line: the number of the line at which it ends, from 1.
        cells: its cells, without their quotes.
    """

    line: int
    cells: list[str]


def rows_of(text: str, delimiter: str) -> Iterator[Row]:
    """The rows of a text, without empty lines.

    Spaces before a cell are no part of it; quotes that are left open hold to the end of the text.

    Args:
        text: the file.
        delimiter: what separates cells, one character.
    """
    plain = rf"[^{re.escape(delimiter)}\r\n]*"
    cell = re.compile(
        rf' *(?:"([^"]*(?:""[^"]*)*)(?:"({plain})|\Z)|({plain}))'
        rf"({re.escape(delimiter)}|\r\n|\r|\n|\Z)"
    )
    at, line = 0, 0
    while at < len(text):
        start, cells, end = at, [], delimiter
        while end == delimiter:
            found = cell.match(text, at)
            assert found is not None  # Nothing that it has no place for.
            quoted, behind, bare, end = found.groups()
            cells.append(bare if quoted is None else quoted.replace('""', '"') + (behind or ""))
            at = found.end()
        line += len(re.findall(r"\r\n|\r|\n", text[start:at]))
        if text[start:at].strip("\r\n"):
            yield Row(line + (text[at - 1] not in "\r\n"), cells)
