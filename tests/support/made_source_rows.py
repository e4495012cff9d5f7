"""Source rows that a test makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.source_rows import JSON, SourceRows


@dataclass(frozen=True)
class Made:
    """Rows whose payload is their number: an `Origin`."""

    number: int

    def sizes(self) -> NDArray[np.int64]:
        return np.ones(self.number, np.int64)

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [f"row {row}".encode() for row in rows]

    def position(self, row: int) -> str:
        return str(row)

    def attributes(self, row: int) -> str | None:
        return None


def of_columns(columns: Mapping[str, Any]) -> SourceRows:
    """Rows of columns, as CSV and Parquet have them."""
    table = pa.table({name: _array(column) for name, column in columns.items()})
    return SourceRows(table, False, Made(table.num_rows), "made.csv")


def of_lines(lines: Sequence[str]) -> SourceRows:
    """Rows that should be JSON objects."""
    table = pa.table({JSON: pa.array(lines, pa.string())})
    return SourceRows(table, True, Made(len(lines)), "made.jsonl")


def of_objects(*objects: Mapping[str, Any]) -> SourceRows:
    """Rows that are JSON objects."""
    return of_lines([json.dumps(found) for found in objects])


def _array(column: Any) -> Any:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    return pa.array(column, pa.string())
