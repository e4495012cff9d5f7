"""What a commit does to tables, and the staged files that it takes."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transforms.contract import Table


class StagedFile(NamedTuple):
    """A finished Parquet file of some rows of a table.

    Attributes:
        table: the name in the contract that its rows follow.
        path: where it lies.
        rows: how many there are.
        bytes: its size.
        partitions: the partitions of its rows, as days since 1970 on which they begin, ascending;
            empty where the table has no partitioning.
        figures: of each column what the home must find again in it, as `figures_of` has them; by
            whoever made the rows, not read from the file. Empty where an earlier version staged it.
        checksum: CRC-32C of its bytes; None where an earlier version staged it.
    """

    table: str
    path: str
    rows: int
    bytes: int
    partitions: Sequence[int]
    figures: Sequence[int] = ()
    checksum: int | None = None


class WriteDisposition(enum.Enum):
    """What becomes of the rows that a table has.

    REPLACE: they go. MERGE: one with the key of a staged row gives way to it, unless it was
    written later or differs in nothing else; the others stay. APPEND: all stay.
    """

    REPLACE = "replace"
    MERGE = "merge"
    APPEND = "append"


@dataclass(frozen=True)
class Change:
    """One table's part in a commit.

    Attributes:
        table: its contract.
        disposition: what becomes of the rows that it has.
        files: the staged rows; of one key the one that was written last counts.
        deletes: staged rows of `table.deletes`, for MERGE: rows with these keys leave the table,
            unless they were written later.
    """

    table: Table
    disposition: WriteDisposition
    files: Sequence[StagedFile] = ()
    deletes: Sequence[StagedFile] = ()

    @property
    def rows(self) -> int:
        """How many rows are staged for the table."""
        return sum(file.rows for file in self.files)

    @property
    def partitions(self) -> list[int]:
        """The partitions of the staged rows, as in `StagedFile`."""
        return sorted({day for file in self.files for day in file.partitions})
