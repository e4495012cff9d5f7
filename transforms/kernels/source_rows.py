"""Source rows: what a file holds under its own names, before rules say what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from transforms.kernels.records import NO_REJECTIONS, Origin, Rejections

# The one column of rows that are JSON objects.
JSON: Final = "json"


@dataclass(frozen=True)
class SourceRows:
    """Some records of one source, by the source's own names.

    Attributes:
        table: of JSON one string column, JSON, with the text of an object in each row; of CSV a
            string column for each column that was asked for, by the header's name; of Parquet
            the columns that were asked for, with the file's types.
        is_json: whether the rows are JSON objects.
        origin: where each row came from.
        source: the file's path, or the subscription.
        unreadable: records that could not be split into rows.
    """

    table: pa.Table
    is_json: bool
    origin: Origin
    source: str
    unreadable: Rejections = NO_REJECTIONS

    def __len__(self) -> int:
        return int(self.table.num_rows) + len(self.unreadable)
