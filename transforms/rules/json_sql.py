"""Fields of JSON objects as text, as SQL of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from transforms.rules.field_paths import FieldPath, Step
from transforms.rules.sql_text import named, quoted

# What GA4 calls the value of an event's parameter, by its type.
VALUE_FIELDS: Final = ("string_value", "int_value", "double_value", "float_value")


def json_select(column: str, paths: Sequence[FieldPath]) -> str:
    """A SELECT over `rows`: whether the text is an object, and a text for each path, NULL where an
    object lacks the field.

    A name of the object itself comes before a way into it. What is found by pointers is found at
    one go, which takes as long as a single one; so is each item of a list of keys and values.

    Args:
        column: the name of the column of texts.
        paths: the fields.
    """
    json = named(column)
    names = [_pointer([Step(path.text)]) for path in paths]
    ways = [_pointer(path.steps) for path in paths]
    asked = list(dict.fromkeys([*names, *ways]))
    texts: list[str] = []
    items: list[str] = []
    for path, name, way in zip(paths, names, ways, strict=True):
        parts = [f"found[{asked.index(pointer) + 1}]" for pointer in dict.fromkeys([name, way])]
        if (at := _keyed(path.steps)) is not None:
            item = f"item_{len(items)}"
            items.append(f"CASE WHEN is_object THEN {_item(json, path.steps, at)} END AS {item}")
            parts.insert(1, _of_item(item, path.steps[at + 1 :]))
        texts.append(f"coalesce({', '.join(parts)})")
    listed = ", ".join(map(quoted, asked))
    found = f"CASE WHEN is_object THEN json_extract_string({json}, [{listed}]) END AS found"
    is_object = f"json_valid({json}) AND starts_with(ltrim({json}, ' \t\r\n'), '{{') AS is_object"
    return (
        f"SELECT {', '.join(['is_object', *texts])} FROM (SELECT "
        f"{', '.join(['is_object', found, *items])} FROM (SELECT {json}, {is_object} FROM rows))"
    )


def text_within(json: str, steps: Sequence[Step]) -> str:
    """SQL for a field inside a text that may be JSON, NULL where it is none."""
    at = _keyed(steps)
    way = f"json_extract_string({json}, {quoted(_pointer(steps))})"
    if at is not None:
        way = f"coalesce({_of_item(_item(json, steps, at), steps[at + 1 :])}, {way})"
    return f"CASE WHEN json_valid({json}) THEN {way} END"


def _of_item(item: str, rest: Sequence[Step]) -> str:
    """SQL for the value, or a field, of an item of a list of keys and values."""
    if rest:
        return f"json_extract_string({item}, {quoted(_pointer(rest))})"
    typed = [f"json_extract_string({item}, '/value/{name}')" for name in VALUE_FIELDS]
    single = (
        f"CASE WHEN json_type({item}, '/value') <> 'OBJECT' "
        f"THEN json_extract_string({item}, '/value') END"
    )
    return f"coalesce({', '.join([*typed, single])})"


def _item(json: str, steps: Sequence[Step], at: int) -> str:
    """SQL for the item of a list of keys and values that a step names."""
    return (
        f"list_filter(json_extract({_json(json, steps[:at])}, '$[*]'), lambda item: "
        f"json_extract_string(item, '/key') = {quoted(steps[at].name)})[1]"
    )


def _json(json: str, steps: Sequence[Step]) -> str:
    """SQL for what is behind steps, as JSON."""
    at = _keyed(steps)
    if at is not None:
        return _json(_item(json, steps, at), steps[at + 1 :])
    return f"json_extract({json}, {quoted(_pointer(steps))})" if steps else json


def _keyed(steps: Sequence[Step]) -> int | None:
    """Where the last step is that names an item by its key; None without one."""
    found = [at for at, step in enumerate(steps) if step.in_brackets and step.place is None]
    return found[-1] if found else None


def _pointer(steps: Sequence[Step]) -> str:
    """The JSON Pointer (RFC 6901) of steps."""
    names = (step.name.replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(f"/{name}" for name in names)
