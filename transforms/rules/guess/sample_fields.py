"""Source rows -> the fields in them, by the names that rules have for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import pyarrow as pa

from transforms.kernels.source_rows import SourceRows
from transforms.rules.field_paths import FieldPath, Step
from transforms.rules.json_sql import VALUE_FIELDS

# An export whose objects have ids for keys would have as many fields as rows.
_MOST_FIELDS: Final = 500
_DEEPEST: Final = 8


@dataclass
class SampleField:
    """A field of some rows.

    Attributes:
        name: as rules call it.
        texts: of each row the text, trimmed; "" where it is blank or missing.
        is_moment: whether it is a time by its type.
    """

    name: str
    texts: list[str] = field(default_factory=list)
    is_moment: bool = False


def sample_fields(parts: Sequence[SourceRows]) -> list[SampleField]:
    """The fields of some rows, in the order in which they come, at most 500.

    Those inside of objects, structs, maps and lists come by their paths, of a list the first item,
    of a list of keys and values each key. What no path leads to is left out.

    Args:
        parts: the rows of one source or of several.

    Returns:
        Fields whose texts are all as many as the rows.
    """
    found: dict[str, SampleField] = {}
    rows = 0
    for part in parts:
        for record in _records(part):
            for steps, value in _leaves(record, not part.is_json):
                _add(found, rows, steps, value)
            rows += 1
    for one in found.values():
        one.texts.extend([""] * (rows - len(one.texts)))
    return list(found.values())


def _records(rows: SourceRows) -> Iterator[Mapping[str, Any]]:
    if rows.is_json:
        yield from (_object(text) for text in rows.table.column(0).to_pylist())
        return
    names = rows.table.column_names
    for values in zip(*(_values(column) for column in rows.table.columns), strict=True):
        yield dict(zip(names, values, strict=True))


def _object(text: str) -> Mapping[str, Any]:
    found = _of_json(text)
    return found if isinstance(found, dict) else {}


def _of_json(text: str) -> Any:
    try:
        # Numbers stay as they are typed.
        return json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, pa.ArrowException):  # Python has no such value: a date after 9999.
        return [None] * len(column)
    return values


def _leaves(record: Mapping[str, Any], is_typed: bool) -> Iterator[tuple[tuple[Step, ...], Any]]:
    for name, value in record.items():
        if is_typed and isinstance(value, str) and value[:1] in ("{", "["):
            inner = _of_json(value)
            value = value if inner is None else inner
        yield from _within((Step(name),), value)


def _within(steps: tuple[Step, ...], value: Any) -> Iterator[tuple[tuple[Step, ...], Any]]:
    if len(steps) > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _within((*steps, Step(name)), inner)
    elif isinstance(value, list):
        for name, inner in _items(value):
            yield from _within((*steps, Step(name, True)), inner)
    else:
        yield steps, value


def _items(values: list[Any]) -> Iterator[tuple[str, Any]]:
    """Of a list of keys and values each value by its key, of a map too; else the first item."""
    if values and all(isinstance(item, tuple) for item in values):
        yield from ((str(key), value) for key, value in values)
    elif values and all(
        isinstance(item, dict) and {"key", "value"} <= set(item) for item in values
    ):
        yield from ((str(item["key"]), _value(item["value"])) for item in values)
    elif values:
        yield "0", values[0]


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in VALUE_FIELDS if value.get(name) is not None), None)


def _add(found: dict[str, SampleField], row: int, steps: tuple[Step, ...], value: Any) -> None:
    text = "".join(f"[{step.name}]" if step.in_brackets else f".{step.name}" for step in steps)[1:]
    if text not in found:
        is_reached = len(steps) == 1 or FieldPath.of(text).steps == steps
        if not is_reached or not text.strip() or len(found) >= _MOST_FIELDS:
            return
        found[text] = SampleField(text)
    one = found[text]
    if len(one.texts) <= row:
        one.texts.extend([""] * (row - len(one.texts)))
        one.texts.append(_text(value))
        one.is_moment |= isinstance(value, date)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    return str(value).strip()
