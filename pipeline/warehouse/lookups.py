"""Rows that are looked up by many keys at once, and how they are shared out among workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pyarrow as pa

from pipeline.warehouse.changes import StagedFile
from transforms.contract import Table


@dataclass(frozen=True)
class Lookup:
    """The rows of a table that have one of some keys.

    Attributes:
        table: the contract of the table.
        columns: which of its columns are read.
        by: the columns that are compared.
        keys: the contract of the staged keys: it has the columns `by`. Where it is partitioned as
            the table is, only these partitions are read.
        files: staged rows of `keys`; repeated ones are no harm.
    """

    table: Table
    columns: tuple[str, ...]
    by: tuple[str, ...]
    keys: Table
    files: Sequence[StagedFile] = ()

    def of(self, files: Sequence[StagedFile]) -> Lookup:
        """The same of other keys."""
        return replace(self, files=files)

    @property
    def schema(self) -> pa.Schema:
        """Of the rows that are found."""
        return pa.schema([self.table.arrow_schema.field(name) for name in self.columns])

    @property
    def partitions(self) -> list[int] | None:
        """The partitions of the table in which the rows lie, as in `StagedFile`; None for any."""
        partition = self.table.partition
        if partition is None or partition != self.keys.partition:
            return None
        return sorted({day for file in self.files for day in file.partitions})


class FoundRows(NamedTuple):
    """A share of the rows of a lookup, which any worker can read.

    Attributes:
        lookup: what was looked up.
        address: where the rows lie, as the home knows it.
    """

    lookup: Lookup
    address: str = ""
