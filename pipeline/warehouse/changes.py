"""What a commit does to tables, and the staged files that it takes."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
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


class Matching(NamedTuple):
    """Rows that leave a table because of values that they have, whenever they were written.

    Attributes:
        columns: in the order of the contract; a row leaves which has in all of them the values of
            one staged row. Staged values are never NULL, and NULL matches none.
        files: staged rows of `table.matching(columns)`.
    """

    columns: tuple[str, ...]
    files: Sequence[StagedFile] = ()


@dataclass(frozen=True)
class Change:
    """One table's part in a commit: of rows that stay, those that match leave first, then those are
    added that are known to be new, then staged ones are merged by key.

    Events of a user leave by `matching`, whose key nobody has; a row of a table without a key is
    rewritten by `matching` the old one and `files` (APPEND) of the new one.

    Attributes:
        table: its contract.
        disposition: what becomes of the rows that it has.
        files: the staged rows; of one key the one that was written last counts.
        deletes: staged rows of `table.deletes`, for MERGE: rows with these keys leave the table,
            unless they were written later.
        appended: staged rows of `table.appended`, for MERGE: their keys are not in the table, which
            nobody looks up. One that is also among `files` changes at once.
        matching: what else leaves the table, for MERGE and APPEND.
    """

    table: Table
    disposition: WriteDisposition
    files: Sequence[StagedFile] = ()
    deletes: Sequence[StagedFile] = ()
    appended: Sequence[StagedFile] = ()
    matching: Sequence[Matching] = ()

    @property
    def rows(self) -> int:
        """How many rows are staged for the table."""
        return sum(file.rows for file in (*self.files, *self.appended))

    @property
    def partitions(self) -> list[int]:
        """The partitions of the rows to merge, as in `StagedFile`."""
        return partitions_of(self.files)

    @property
    def staged(self) -> list[StagedFile]:
        """All that is staged for it."""
        leaving = [file for matching in self.matching for file in matching.files]
        return [*self.files, *self.deletes, *self.appended, *leaving]


def partitions_of(files: Iterable[StagedFile]) -> list[int]:
    """The partitions of staged rows, as in `StagedFile`."""
    return sorted({day for file in files for day in file.partitions})
