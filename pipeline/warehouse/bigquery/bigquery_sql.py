"""BigQuery's SQL: its types and its sums of columns."""

from __future__ import annotations

from typing import Final

from pipeline.warehouse.bigquery.tables import SQL_TYPES
from pipeline.warehouse.dialect import Dialect, Sums
from transforms.contract import Type
from transforms.kernels.figures import FLOAT_LIMIT, FLOAT_SCALE, LAST_BYTES, OF_NOTHING, PER_BYTE

# BigQuery's INT64 overflows where it should wrap; a NUMERIC holds sums of 10^10 of them.
_SUMS: Final[Sums] = {
    Type.INTEGER: lambda name: f"SUM(CAST({name} AS NUMERIC))",
    Type.BOOLEAN: lambda name: f"SUM(CAST({name} AS INT64))",
    Type.DATE: lambda name: f"SUM(UNIX_DATE({name}))",
    Type.TIMESTAMP: lambda name: f"SUM(CAST(UNIX_MICROS({name}) AS NUMERIC))",
    Type.FLOAT: lambda name: (
        f"SUM(IF(ABS({name}) < {FLOAT_LIMIT}, "
        f"CAST(CAST(FLOOR({name} * {FLOAT_SCALE}) AS INT64) AS NUMERIC), NULL))"
    ),
    Type.STRING: lambda name: (
        f"SUM(IF({name} = '', {OF_NOTHING}, BYTE_LENGTH({name}) * {PER_BYTE} + UNICODE({name})))"
    ),
    Type.BYTES: lambda name: (
        f"SUM(CAST(BYTE_LENGTH({name}) * {PER_BYTE} + IFNULL(SAFE_CAST(CONCAT("
        f"'0x', RIGHT(TO_HEX({name}), {2 * LAST_BYTES})) AS INT64), 0) AS NUMERIC))"
    ),
}

DIALECT: Final = Dialect("`", SQL_TYPES, _SUMS)
