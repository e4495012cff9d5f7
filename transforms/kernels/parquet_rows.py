"""Rows of a Parquet file as source rows, and as JSON where one is a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.records import MAX_RECORD_BYTES

# A row's names, quotes and commas as JSON take more bytes than its values.
_SURELY_FITS: Final = MAX_RECORD_BYTES // 4
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
        """int64 [rows], of each as JSON; 0 for rows that are surely short."""
        if self.table.nbytes < _SURELY_FITS:
            return np.zeros(self.table.num_rows, np.int64)
        return np.array([len(text.encode()) for text in self._texts], np.int64)

    def payload(self, row: int) -> bytes:
        """What was read of a row, as a JSON object."""
        return self._texts[row].encode()

    def position(self, row: int) -> str:
        """The row's number in the file, from 0."""
        return str(self.first + row)

    def attributes(self, row: int) -> str | None:
        return self.attributes_json

    @cached_property
    def _texts(self) -> list[str]:
        # All at once: one by one they take a thousand times longer.
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("the_rows", self.table)
            connection.execute(f"SELECT to_json({_ROW})::VARCHAR FROM the_rows AS {_ROW}")
            return [text for (text,) in connection.fetchall()]


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
