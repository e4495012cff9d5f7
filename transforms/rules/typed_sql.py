"""Fields of typed columns as text, as SQL of DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from transforms.rules.field_paths import Step
from transforms.rules.json_sql import VALUE_FIELDS, text_within
from transforms.rules.sql_text import named, quoted


class TypedField(NamedTuple):
    """What steps lead to in a column.

    Attributes:
        text: SQL for it as text; a time is written as ISO 8601.
        is_moment: whether it is a time or a date by its type.
    """

    text: str
    is_moment: bool = False


def typed_field(sql: str, kind: pa.DataType, steps: Sequence[Step]) -> TypedField | None:
    """What steps lead to in a value; None where they lead nowhere.

    Args:
        sql: SQL for the value.
        kind: its type.
        steps: from it on, into structs, maps, lists, and texts that are JSON.
    """
    if not steps:
        is_moment = pa.types.is_timestamp(kind) or pa.types.is_date(kind)
        return TypedField(_leaf(sql, kind), bool(is_moment))
    step, *rest = steps
    if is_text(kind):
        return TypedField(text_within(f"CAST({sql} AS VARCHAR)", steps))
    if pa.types.is_struct(kind):
        inner = _type_of(kind, step.name)
        return None if inner is None else typed_field(f"({sql}).{named(step.name)}", inner, rest)
    if pa.types.is_map(kind) and is_text(kind.key_type):
        return typed_field(f"({sql})[{quoted(step.name)}]", kind.item_type, rest)
    if not _is_list(kind):
        return None
    if step.place is not None:
        return typed_field(f"({sql})[{step.place + 1}]", kind.value_type, rest)
    if _has_keys(kind.value_type):
        item = f"list_filter({sql}, lambda item: item.key = {quoted(step.name)})[1]"
        return _of_item(item, kind.value_type, rest)
    return None


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is that of texts."""
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or (pa.types.is_dictionary(kind) and is_text(kind.value_type))
    )


def _of_item(item: str, kind: pa.DataType, rest: Sequence[Step]) -> TypedField | None:
    """The value, or a field, of an item of a list of keys and values."""
    if rest:
        return typed_field(item, kind, rest)
    value, inside = f"({item}).value", _type_of(kind, "value")
    texts = [
        _leaf(f"{value}.{named(name)}", field)
        for name in VALUE_FIELDS
        if (field := _type_of(inside, name)) is not None
    ]
    return TypedField(f"coalesce({', '.join(texts)})" if texts else _leaf(value, inside))


def _leaf(sql: str, kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return f"CAST(timezone('UTC', {sql}) AS VARCHAR) || 'Z'"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return f"CAST(CAST({sql} AS TIMESTAMP) AS VARCHAR)"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return f"TRY(decode({sql}))"
    return f"CAST({sql} AS VARCHAR)"


def _type_of(kind: pa.DataType | None, field: str) -> pa.DataType | None:
    """The type of a field of a struct; None for a type without it."""
    if kind is None or not pa.types.is_struct(kind):
        return None
    place = kind.get_field_index(field)
    return None if place < 0 else kind.field(place).type


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _has_keys(kind: pa.DataType) -> bool:
    key = _type_of(kind, "key")
    return key is not None and is_text(key) and _type_of(kind, "value") is not None
