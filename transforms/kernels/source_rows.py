"""Source rows: what a file holds under its own names, before rules say what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.records import NO_REJECTIONS, Origin, Rejections

# The one column of rows that are JSON objects.
JSON: Final = "json"


@dataclass(frozen=True)
class SourceRows:
    """Some records of one source, by the source's own names.

    Attributes:
        table: of JSON one string column, JSON, with a record's text in each row, which should be an
            object and may be none; of CSV strings, or a dictionary of strings, for each column that
            was asked for and is there, by the header's name; of Parquet these columns, with the
            file's types.
        is_json: whether the rows are JSON.
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


def in_member(rows: SourceRows, member: str) -> SourceRows:
    """The rows of a file in an archive: their positions begin with its name.

    Args:
        rows: as they are in that file.
        member: its name; "" for a file that is in no archive.
    """
    if not member:
        return rows
    table = rows.unreadable.table
    place = table.schema.get_field_index("position")
    named = pc.binary_join_element_wise(pa.scalar(member), table["position"], ":")
    unreadable = Rejections(table.set_column(place, table.schema.field(place), named))
    return replace(rows, origin=_InMember(rows.origin, member), unreadable=unreadable)


def joined(parts: Sequence[SourceRows]) -> SourceRows:
    """Rows of one source, one part behind the other.

    Args:
        parts: one or more, with the same columns.
    """
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        table=pa.concat_tables([part.table for part in parts]).unify_dictionaries(),
        origin=_Joined.of([part.origin for part in parts], [len(part.table) for part in parts]),
        unreadable=Rejections.total([part.unreadable for part in parts]),
    )


@dataclass(frozen=True)
class _Joined:
    """Where rows of several parts came from: their `Origin`.

    Attributes:
        parts: the origins of the parts.
        firsts: int64 [parts], the first row of each.
    """

    parts: Sequence[Origin]
    firsts: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[Origin], rows: Sequence[int]) -> _Joined:
        return cls(parts, np.cumsum([0, *rows[:-1]], dtype=np.int64))

    def sizes(self) -> NDArray[np.int64]:
        return np.concatenate([part.sizes() for part in self.parts])

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        found = (self._within(row) for row in rows)
        return [payload for part, row in found for payload in part.payloads([row])]

    def position(self, row: int) -> str:
        part, within = self._within(row)
        return part.position(within)

    def attributes(self, row: int) -> str | None:
        part, within = self._within(row)
        return part.attributes(within)

    def _within(self, row: int) -> tuple[Origin, int]:
        number = int(np.searchsorted(self.firsts, row, side="right")) - 1
        return self.parts[number], row - int(self.firsts[number])


@dataclass(frozen=True)
class _InMember:
    """Where rows of a file in an archive came from: their `Origin`."""

    within: Origin
    member: str

    def sizes(self) -> NDArray[np.int64]:
        return self.within.sizes()

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return self.within.payloads(rows)

    def position(self, row: int) -> str:
        return f"{self.member}:{self.within.position(row)}"

    def attributes(self, row: int) -> str | None:
        return self.within.attributes(row)
