"""Source rows -> the texts of the fields that rules name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.column_names import alike
from transforms.kernels.source_rows import JSON, SourceRows
from transforms.rules.field_paths import FieldPath
from transforms.rules.json_sql import json_select
from transforms.rules.model import WHERE, Rules
from transforms.rules.typed_sql import is_text, typed_field

# Without these a record is no event.
_NEEDED: Final = ("event_time", "user_id", "event_type", "platform")
# Of the names of a file's columns, in a message.
_SHOWN_LETTERS: Final = 300


class Fields(NamedTuple):
    """The texts of fields.

    Attributes:
        texts: by the names of our columns its fields that the source has, in order of preference:
            strings or dictionaries of strings, with NULLs.
        moments: those of our columns whose fields are all times by their type: they are written as
            ISO 8601.
        unreadable: bool [rows], the rows that are no JSON objects, which have no texts.
    """

    texts: Mapping[str, list[pa.Array]]
    moments: frozenset[str]
    unreadable: NDArray[np.bool_]


def source_fields(rows: SourceRows, rules: Rules, database: duckdb.DuckDBPyConnection) -> Fields:
    """The fields of some rows that rules name.

    Args:
        rows: of any source.
        rules: the rules.
        database: an empty one in memory; rows are shown to it while it is asked.

    Raises:
        DataError: if a column that is needed comes from fields that the source lacks, or rules
            name fields for a column and the source has none of them.
    """
    if rows.is_json:
        return _of_json(rows, rules, database)
    return _of_columns(rows, rules, database)


def refuse_absent(rules: Rules, names: Sequence[str], source: str) -> None:
    """See that a source of columns has those that rules name.

    Args:
        rules: the rules.
        names: of all columns of the source.
        source: its path.

    Raises:
        DataError: if a column that is needed comes from none of them, or rules name fields for a
            column and none of them is there.
    """
    known = rules.known_as(names)
    for name in rules.column_names:
        column = rules.column(name)
        if not any(path.within(known) for path in column.paths):
            _refuse_without(name, rules, names, source)


def _of_json(rows: SourceRows, rules: Rules, database: duckdb.DuckDBPyConnection) -> Fields:
    paths = [path for name in rules.column_names for path in rules.column(name).paths]
    distinct = list(dict.fromkeys(paths))
    is_object, *found = asked(database, rows.table, json_select(JSON, distinct))
    by_path = dict(zip(distinct, found, strict=True))
    texts = {
        name: [by_path[path] for path in rules.column(name).paths] for name in rules.column_names
    }
    readable: NDArray[np.bool_] = is_object.to_numpy(zero_copy_only=False)
    return Fields(texts, frozenset(), ~readable)


def _of_columns(rows: SourceRows, rules: Rules, database: duckdb.DuckDBPyConnection) -> Fields:
    table = rows.table
    known = rules.known_as(table.column_names)
    found = {name: _present(table, rules.column(name).paths, known) for name in rules.column_names}
    for name in rules.column_names:
        if not found[name]:
            _refuse_without(name, rules, table.column_names, rows.source)
    distinct = list(dict.fromkeys(field for fields in found.values() for field in fields))
    other = [field for field in distinct if field.sql is not None]
    texts = {field: _as_text(table.column(field.column)) for field in distinct if field.sql is None}
    if other:
        # By their places: DuckDB takes names that differ in case for one.
        columns = table.rename_columns([_place(at) for at in range(table.num_columns)])
        statement = f"SELECT {', '.join(str(field.sql) for field in other)} FROM rows"
        texts.update(zip(other, asked(database, columns, statement), strict=True))
    moments = {
        name
        for name, fields in found.items()
        if fields and all(field.is_moment for field in fields)
    }
    return Fields(
        {name: [texts[field] for field in fields] for name, fields in found.items()},
        frozenset(moments),
        np.zeros(table.num_rows, np.bool_),
    )


class _Field(NamedTuple):
    """A field that a table has.

    Attributes:
        column: in which it is.
        sql: SQL for it as text; None where the column is text itself.
        is_moment: whether it is a time by its type.
    """

    column: str
    sql: str | None
    is_moment: bool


def _place(index: int) -> str:
    return f"column_{index}"


def _present(table: pa.Table, paths: Sequence[FieldPath], known: Mapping[str, str]) -> list[_Field]:
    """Those of some fields that a table has, whose columns are called as `known` says."""
    fields = []
    for path in paths:
        place = path.within(known)
        if place is None:
            continue
        name, steps = place
        column = known[name]
        kind = table.schema.field(column).type
        if not steps and is_text(kind):
            fields.append(_Field(column, None, False))
            continue
        found = typed_field(_place(table.column_names.index(column)), kind, steps)
        if found is not None:
            fields.append(_Field(column, found.text, found.is_moment))
    return fields


def _refuse_without(name: str, rules: Rules, there: Sequence[str], source: str) -> None:
    """Raise DataError where our column can't do without the fields that a source lacks."""
    is_said = name in rules.columns or name.startswith(WHERE)
    column = rules.column(name)
    fields = column.fields
    may_lack = column.optional and (column.default is not None or name not in _NEEDED)
    if not fields or may_lack or (not is_said and name not in _NEEDED):
        return
    near = [found for field in (*fields, name) for found in alike([field], there).values()]
    hint = f", of which {near[0]!r} looks like it" if near else ""
    say = (
        f"columns.{name} of {rules.called} names {_listed(fields)}, which it lacks"
        if is_said
        else f"it has no column {name}, and [columns] of {rules.called} has none for it"
    )
    has = _beginning(there) or "none of the columns that they name"
    raise DataError(f"{source}: {say}; it has {has}{hint}. {rules.advice}")


def _listed(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))


def _beginning(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    ends = accumulate(len(name) + len(", ") for name in names)
    shown = max(sum(end <= _SHOWN_LETTERS for end in ends), 1)
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"


def asked(database: duckdb.DuckDBPyConnection, table: pa.Table, statement: str) -> list[pa.Array]:
    """The columns of a SELECT over `rows`, in the order of its rows."""
    database.register("rows", table)
    try:
        found = database.sql(statement).to_arrow_table()
    finally:
        database.unregister("rows")
    return [column.combine_chunks() for column in found.columns]


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        if kind.value_type != pa.string():
            column = column.cast(pa.dictionary(kind.index_type, pa.string()))
        column = column.unify_dictionaries()
    elif kind != pa.string():
        column = column.cast(pa.string())
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
