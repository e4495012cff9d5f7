"""Records that come one by one, as messages and dead letters do -> raw records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.csv_dialect import RFC_4180, Dialect
from transforms.kernels.csv_layout import Layout
from transforms.kernels.csv_lines import NOT_CLOSED, find_records, split_fields
from transforms.kernels.records import RawRecords, Rejection, Rejections, encoding_problem
from transforms.vocabulary import SOURCE_COLUMNS

# Of arrays and objects in fields that are ignored; Python's parser takes some 900 at most.
_DEEPEST: Final = 100
# A string counts as one, whatever is in it, and one without an end as all the rest.
_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


class SingleRecord(Protocol):
    """A record that did not come in a block with others."""

    @property
    def data(self) -> bytes:
        """The record as it came."""

    @property
    def layout(self) -> Layout | None:
        """Of a CSV record; None for a JSON object."""

    @property
    def position(self) -> str:
        """Where in its source it stood."""

    @property
    def attributes_json(self) -> str | None:
        """What else it came with."""


@dataclass(frozen=True)
class SingleRecords:
    """Rows that came one by one: their `Origin`."""

    records: Sequence[SingleRecord]

    def sizes(self) -> NDArray[np.int64]:
        return np.array([len(record.data) for record in self.records], np.int64)

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [self.records[row].data for row in rows]

    def position(self, row: int) -> str:
        return self.records[row].position

    def attributes(self, row: int) -> str | None:
        return self.records[row].attributes_json


class UnreadableError(Exception):
    """A record that has no columns: its error_type, and what is wrong."""


def read_records(records: Iterable[SingleRecord], source: str) -> RawRecords:
    """Single records as raw records.

    A record is a JSON object with the source columns as fields, strings or numbers, of which
    missing ones and null are empty; or a CSV record of its layout.

    Args:
        records: in any order; some MB together at most.
        source: where they come from.
    """
    rows: list[list[str]] = []
    kept: list[SingleRecord] = []
    unreadable: list[Rejection] = []
    for record in records:
        try:
            rows.append(record_fields(record.data, record.layout))
            kept.append(record)
        except UnreadableError as error:
            error_type, problem = error.args
            unreadable.append(
                Rejection.unreadable(
                    error_type, problem, record.data, record.position, record.attributes_json
                )
            )
    texts = zip(*rows, strict=True) if rows else [()] * len(SOURCE_COLUMNS)
    columns = [pa.array(column, pa.string()) for column in texts]
    return RawRecords(
        columns,
        SingleRecords(kept),
        source,
        Rejections.of(unreadable),
        event_ids=_event_ids(kept),
    )


def _event_ids(records: Sequence[SingleRecord]) -> pa.Array | None:
    """The source's ids of records that were split already; None where none has a place for one."""
    layouts = [record.layout for record in records]
    if not any(layout and layout.event_id is not None for layout in layouts):
        return None
    return pa.array(
        [
            record_of(record.data, layout.fields)[layout.event_id].decode()
            if layout and layout.event_id is not None
            else ""
            for record, layout in zip(records, layouts, strict=True)
        ],
        pa.string(),
    )


def record_fields(data: bytes, layout: Layout | None) -> list[str]:
    """The texts of the eight source columns of one record.

    Args:
        data: the record.
        layout: of a CSV record; None for a JSON object.

    Raises:
        UnreadableError: if it can't be split into them.
    """
    if (problem := encoding_problem(data)) is not None:
        raise UnreadableError("invalid_utf8", problem)
    if layout is not None:
        return [field.decode() for field in split_record(data, layout)]
    found = _json(data.decode())
    if not isinstance(found, _Object):
        kinds = {_Number: "a number", list: "an array", str: "a string", bool: "a boolean"}
        kind = kinds.get(type(found), "null")
        problem = f"the message is {kind}, not a JSON object"
        raise UnreadableError("malformed_message", problem)
    if found.repeated:
        problem = f"the message has {found.repeated} more than once"
        raise UnreadableError("malformed_message", problem)
    return [_text(name, found.get(name)) for name in SOURCE_COLUMNS]


class _Number(str):
    """A JSON number as it is written: a float would round it, and Python's integers have limits."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """A JSON object; `repeated` is a source column that it has more than once, or empty."""

    __slots__ = ("repeated",)

    def __init__(self, pairs: list[tuple[str, Any]]):
        super().__init__(pairs)
        names = [name for name, _ in pairs] if len(self) < len(pairs) else []
        self.repeated = next((name for name in SOURCE_COLUMNS if names.count(name) > 1), "")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


# Made once: it takes as long as the decoding of a message.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_refuse,
)


def _json(text: str) -> Any:
    try:
        _check_depth(text)
        return _DECODER.decode(text)
    except ValueError as error:
        problem = f"the message is no JSON object: {error}"
        raise UnreadableError("malformed_message", problem) from error


def _check_depth(text: str) -> None:
    """Raise ValueError where the parser's depth would hang on how deep the stack is already."""
    if text.count("[") + text.count("{") <= _DEEPEST:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = f"{name} holds half of a surrogate pair"
            raise UnreadableError("malformed_message", problem) from error
        return str(value)
    kind = {bool: "a boolean", list: "an array"}.get(type(value), "an object")
    raise UnreadableError("malformed_message", f"{name} is {kind}, not a string or a number")


def split_record(data: bytes, layout: Layout) -> list[bytes]:
    """The eight source columns of one CSV record, be it UTF-8 or not.

    Raises:
        UnreadableError: if it is not one record of as many fields.
    """
    fields = record_of(data, layout.fields)
    return [fields[place] for place in layout.places]


def record_of(data: bytes, width: int, dialect: Dialect = RFC_4180) -> list[bytes]:
    """The fields of one CSV record, be it UTF-8 or not.

    Raises:
        UnreadableError: if it is not one record of so many fields.
    """
    lines = find_records(data, width, True, dialect)
    records = len(lines.starts) + len(lines.odd)
    if records != 1:
        problem = f"it holds {records} CSV records, not one"
        raise UnreadableError("malformed_row", problem)
    fields = (
        lines.odd[0].fields
        if lines.odd
        else split_fields(data[int(lines.starts[0]) : int(lines.ends[0])], dialect)
    )
    if fields is None:
        raise UnreadableError("malformed_row", NOT_CLOSED)
    if len(fields) != width:
        problem = f"a record has {width} fields, this one {len(fields)}"
        raise UnreadableError("malformed_row", problem)
    return fields
