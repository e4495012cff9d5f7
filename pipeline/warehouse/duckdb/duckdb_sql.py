"""DuckDB's SQL: its types, its sums of columns, and how names and texts are quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.warehouse.dialect import Dialect, Sums
from transforms.contract import BOOLEAN, BYTES, DATE, FLOAT, INTEGER, STRING, TIMESTAMP, Type
from transforms.kernels.figures import FLOAT_LIMIT, FLOAT_SCALE, LAST_BYTES, PER_BYTE

_TYPES: Final[Mapping[Type, str]] = {
    STRING: "VARCHAR",
    INTEGER: "BIGINT",
    FLOAT: "DOUBLE",
    BOOLEAN: "BOOLEAN",
    DATE: "DATE",
    TIMESTAMP: "TIMESTAMP",
    BYTES: "BLOB",
}

_SUMS: Final[Sums] = {
    Type.INTEGER: lambda name: f"SUM({name})",
    Type.BOOLEAN: lambda name: f"SUM(CAST({name} AS BIGINT))",
    Type.DATE: lambda name: f"SUM({name} - DATE '1970-01-01')",
    Type.TIMESTAMP: lambda name: f"SUM(epoch_us({name}))",
    Type.FLOAT: lambda name: (
        f"SUM(CASE WHEN abs({name}) < {FLOAT_LIMIT} "
        f"THEN CAST(floor({name} * {FLOAT_SCALE}) AS BIGINT) END)"
    ),
    # Two sums, because each function by itself is computed once for each entry of a dictionary:
    # half the time of one sum. DuckDB's unicode('') is -1.
    Type.STRING: lambda name: f"SUM(strlen({name})) * {PER_BYTE} + SUM(unicode({name}))",
    # 0x alone, of no byte, is no number.
    Type.BYTES: lambda name: (
        f"SUM(octet_length({name})) * {PER_BYTE} + COALESCE(SUM(TRY_CAST("
        f"'0x' || hex(array_slice({name}, -{LAST_BYTES}, -1)) AS BIGINT)), 0)"
    ),
}

DIALECT: Final = Dialect('"', _TYPES, _SUMS)


def quoted(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
