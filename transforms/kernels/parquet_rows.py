"""Rows of a Parquet file as source rows, and as JSON where one is a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.records import MAX_RECORD_BYTES

# What a byte of text takes in JSON at most, as \u0000 does, and what a number or a time does.
_MOST_BYTES: Final = 6
_OF_NUMBERS: Final = 100
# No column has that name.
_ROW: Final = '"the whole row"'


@dataclass(frozen=True)
class ParquetRows:
    """Rows of a Parquet file: their `Origin`.

    Attributes:
        table: what was read of them.
        first: the number of the first row in the file, from 0.
        attributes_json: what is needed beside a row's JSON to read it again, as JSON.
    """

    table: pa.Table
    first: int
    attributes_json: str | None

    def sizes(self) -> NDArray[np.int64]:
        """int64 [rows], of each as JSON; 0 where all are surely short."""
        if longest_row(self.table) <= MAX_RECORD_BYTES:
            return np.zeros(self.table.num_rows, np.int64)
        return np.array(list(map(len, self._as_json(self.table))), np.int64)

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        """What was read of some rows, as JSON objects."""
        return self._as_json(self.table.take(pa.array(rows, pa.int64())))

    def position(self, row: int) -> str:
        """The row's number in the file, from 0."""
        return str(self.first + row)

    def attributes(self, row: int) -> str | None:
        return self.attributes_json

    def _as_json(self, rows: pa.Table) -> list[bytes]:
        # All at once: one by one they take a thousand times longer.
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("the_rows", rows)
            connection.execute(f"SELECT to_json({_ROW})::VARCHAR FROM the_rows AS {_ROW}")
            return [text.encode() for (text,) in connection.fetchall()]


def longest_row(table: pa.Table) -> int:
    """No row has more bytes as JSON."""
    names = sum(len(name.encode()) + 1 for name in table.column_names)
    return names * _MOST_BYTES + sum(map(_longest, table.columns))


def _longest(column: pa.ChunkedArray) -> int:
    """No value of a column has more bytes as JSON."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return max(
            (_longest(pa.chunked_array([part.dictionary])) for part in column.chunks), default=0
        )
    if pa.types.is_struct(kind):
        names = sum(len(field.name.encode()) + 4 for field in kind)
        return names * _MOST_BYTES + sum(map(_longest, column.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = pc.max(pc.list_value_length(column)).as_py() or 0
        return 4 + items * (_longest(pc.list_flatten(column)) + 1)
    if pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return _OF_NUMBERS
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        return 4 + _MOST_BYTES * (pc.max(pc.binary_length(column)).as_py() or 0)
    return _OF_NUMBERS + _MOST_BYTES * int(column.nbytes)


def parquet_columns(schema: pa.Schema, wanted: Sequence[str]) -> list[str]:
    """The columns of a Parquet file to read, as pyarrow names them; at least one.

    Args:
        schema: of the file.
        wanted: names of columns, or of fields in them, with dots; what is in a list or a map comes
            as the whole list or map, and what is not there is left out.
    """
    found = [column for name in wanted if (column := _column(schema, name))]
    return list(dict.fromkeys(found)) or schema.names[:1]


def _column(schema: pa.Schema, wanted: str) -> str | None:
    if wanted in schema.names:
        return wanted
    parts = wanted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        if name in schema.names:
            return ".".join([name, *_within(schema.field(name).type, parts[length:])])
    return None


def _within(found: pa.DataType, parts: Sequence[str]) -> list[str]:
    """As many of the names as lead through structs."""
    taken = []
    for part in parts:
        if not pa.types.is_struct(found) or found.get_field_index(part) < 0:
            break
        taken.append(part)
        found = found.field(part).type
    return taken


def readable(table: pa.Table) -> pa.Table:
    """A table with the types that DuckDB knows."""
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_float16(kind):
            table = table.set_column(place, field.name, table.column(place).cast(pa.float32()))
        elif pa.types.is_decimal256(kind):
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    return table
