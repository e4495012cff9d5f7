"""Dead letters as a CSV file that a person corrects in an editor or a spreadsheet, and back.

A row is a dead letter: its id, what is wrong, and either the eight source columns or, where the
record can't be split into them, the record itself in `payload`. Bytes that are not
UTF-8 are written as \\xe9. What a spreadsheet would change or take for a formula has an apostrophe
before it, which is taken away again; in a cell that begins with one so has what would be a formula
where the spreadsheet splits the line elsewhere than at commas.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.errors import OptionError, RunError
from pipeline.replay.cells import Row, rows_of
from pipeline.replay.spool import DeadLetter, DeadLetters
from transforms.kernels.csv_layout import STANDARD
from transforms.kernels.dead_letters import Record
from transforms.kernels.single_records import UnreadableError, record_fields, split_record
from transforms.kernels.source_records import PayloadFormat
from transforms.vocabulary import SOURCE_COLUMNS

_ID: Final = "dead_letter_id"
_PAYLOAD: Final = "payload"
_COLUMNS: Final = (_ID, "error_type", "error_message", *SOURCE_COLUMNS, _PAYLOAD)

# What makes a formula of the text behind it, in Japanese width too, and what may stand before it:
# white space, quotes, and signs without width.
_FORMULA: Final = (
    r"[\s\"\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff0b\uff0d\uff1d\uff20]|[\t\r\n]"
)
# Spaces, which are skipped where a cell begins; formulas; numbers that lose zeros or digits; dates
# that come back as the reader's country has it.
_CHANGED_BY_SPREADSHEETS: Final = re.compile(
    rf"['\s]|{_FORMULA}"
    r"|(0[0-9.]+|[0-9.]{12,}|[0-9.]+[eE][0-9]+|[0-9]{1,2}[/.-][0-9/.: -]+)$"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]*)?$"
)
# Where a spreadsheet of another country, which does not split at commas, sees a cell begin: there
# quotes that begin behind a comma hold nothing together, not even lines.
_BEGINS_ELSEWHERE: Final = r"(?<=[;|\t\r\n])"
_FORMULA_INSIDE: Final = re.compile(rf"{_BEGINS_ELSEWHERE}(?='|{_FORMULA})")
_APOSTROPHE_INSIDE: Final = re.compile(rf"{_BEGINS_ELSEWHERE}'")
_ODD_BYTE: Final = re.compile(rb"\\x([89a-f][0-9a-f])")

Cells = tuple[str, ...]


def write(dead_letters: Iterable[DeadLetter], path: str) -> int:
    """Write dead letters into a new file; returns how many they were.

    Raises:
        RunError: if it can't be written.
    """
    rows = 0
    try:
        # With a BOM, or Excel takes it for another encoding.
        with open(path, "x", encoding="utf-8-sig", newline="", opener=_owners) as file:
            writer = csv.writer(file, lineterminator="\r\n")
            writer.writerow(_COLUMNS)
            for dead_letter in dead_letters:
                *about, record = dead_letter
                writer.writerow(_protected(cell) for cell in (*about, *cells_of(record)))
                rows += 1
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}") from error
    return rows


def _owners(path: str, flags: int) -> int:
    """A file that its owner alone may read: it is about people."""
    return os.open(path, flags, 0o600)


@dataclass(frozen=True)
class Corrected:
    """The rows of a corrected file.

    Attributes:
        path: the file.
        rows: by dead_letter_id the eight source columns and the payload.
    """

    path: str
    rows: Mapping[str, Cells]

    @classmethod
    def of(cls, path: str) -> Corrected:
        """A file that `write` wrote and somebody has corrected.

        Raises:
            OptionError: if it is no such file.
        """
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                return cls(path, dict(_rows(file.read(), path)))
        except UnicodeDecodeError as error:
            raise OptionError(f"--input {path} is not UTF-8: save it as CSV UTF-8") from error
        except OSError as error:
            raise OptionError(f"--input {path} can't be read as CSV: {error}") from error

    def without_dead_letter(self, dead_letters: DeadLetters) -> str:
        """What to say of rows that correct none of these; empty where there is none."""
        unknown = set(self.rows)
        for part in dead_letters.parts():
            unknown.difference_update(part[_ID].to_pylist())
        if not unknown:
            return ""
        return (
            f"{self.path}: {len(unknown):,} of {len(self.rows):,} rows correct no dead letter of "
            f"the warehouse ({_ID} {min(unknown)!r} and the like) and are left out: they were "
            "replayed before, or belong to another warehouse"
        )

    def correct(self, dead_letters: Iterable[DeadLetter]) -> Iterator[Record | None]:
        """The dead letters' records as the file has them; None for those that it has not."""
        for dead_letter in dead_letters:
            cells = self.rows.get(dead_letter.dead_letter_id)
            yield None if cells is None else record_of(cells, dead_letter.record)


def cells_of(record: Record) -> Cells:
    """What a file has of a record: the eight source columns and the payload, either of them."""
    try:
        if record.layout is None:
            return (*record_fields(record.data, None), "")
        # The columns have no place for the source's id of an event.
        if isinstance(record.layout, PayloadFormat) or record.layout.event_id is not None:
            return (*[""] * len(SOURCE_COLUMNS), _text(record.data))
        return (*(_text(field) for field in split_record(record.data, record.layout)), "")
    except UnreadableError:
        return (*[""] * len(SOURCE_COLUMNS), _text(record.data))


def record_of(cells: Cells, before: Record) -> Record:
    """The record that corrected cells make.

    Args:
        cells: the eight source columns and the payload; of both the columns count.
        before: the record as it came; untouched cells leave it so.
    """
    if cells == cells_of(before):
        return before
    *columns, payload = cells
    if not any(columns):
        return before._replace(data=_bytes(payload, before))
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(columns)
    return Record(_bytes(line.getvalue(), before), STANDARD)


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _bytes(text: str, before: Record) -> bytes:
    data = text.encode()
    try:
        before.data.decode()
    except UnicodeDecodeError:
        # An odd byte that nobody has corrected is one still.
        return _ODD_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), data)
    return data


def _protected(cell: str) -> str:
    """A cell that no spreadsheet changes or takes for a formula, wherever it splits lines."""
    inside = _FORMULA_INSIDE.sub("'", cell)
    return f"'{inside}" if inside != cell or _CHANGED_BY_SPREADSHEETS.match(cell) else cell


def _unprotected(cell: str) -> str:
    """The cell of which `_protected` made this one; what somebody has typed stays as it is."""
    return _APOSTROPHE_INSIDE.sub("", cell[1:]) if cell.startswith("'") else cell


def _rows(text: str, path: str) -> Iterator[tuple[str, Cells]]:
    # Some spreadsheets separate by semicolons.
    first = text.partition("\n")[0]
    rows = rows_of(text, ";" if first.count(";") > first.count(",") else ",")
    names = next(rows, Row(0, [])).cells
    _check_columns(names, path)
    seen: set[str] = set()
    for line, cells in rows:
        row = dict(zip(names, cells, strict=False))
        name = row.get(_ID, "").strip().removeprefix("'")
        if not name and not any(_cells(row)):
            continue  # A line that a spreadsheet has left behind.
        if name in seen:
            raise OptionError(
                f"--input {path} line {line}: {_ID} {name!r} is there twice; leave one of them"
            )
        seen.add(name)
        yield name, _cells(row)


def _check_columns(names: Iterable[str], path: str) -> None:
    missing = [name for name in (_ID, *SOURCE_COLUMNS) if name not in set(names)]
    if missing:
        raise OptionError(
            f"--input {os.path.basename(path)} lacks the column {missing[0]}: it must have those "
            "of a file that --output wrote"
        )


def _cells(row: Mapping[str, str]) -> Cells:
    return tuple(_unprotected(row.get(name, "")) for name in (*SOURCE_COLUMNS, _PAYLOAD))
