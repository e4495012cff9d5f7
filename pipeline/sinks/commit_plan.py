"""What a commit does to which table, and the changes that staged files make by that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from transforms.contract import Table


@dataclass(frozen=True)
class CommitPlan:
    """What becomes of the rows that tables have, table by table.

    Attributes:
        dispositions: by the contract of each table that a commit may change.
    """

    dispositions: Mapping[Table, WriteDisposition]

    @classmethod
    def replacing(cls, tables: Iterable[Table]) -> CommitPlan:
        """All of the tables are replaced."""
        return cls(dict.fromkeys(tables, WriteDisposition.REPLACE))

    @classmethod
    def adding(cls, tables: Iterable[Table]) -> CommitPlan:
        """Tables with a primary key are merged, the others appended to."""
        return cls(
            {
                table: WriteDisposition.MERGE if table.primary_key else WriteDisposition.APPEND
                for table in tables
            }
        )

    @property
    def contracts(self) -> dict[str, Table]:
        """The contracts of all that may be staged, by name: of rows, and where tables are merged
        of rows that are surely new and of keys that leave them."""
        found = {table.name: table for table in self.dispositions}
        for table, disposition in self.dispositions.items():
            if disposition is WriteDisposition.MERGE:
                found |= {table.name: table for table in (table.appended, table.deletes)}
        return found

    def changes(self, staged: Iterable[StagedFile]) -> list[Change]:
        """A change for each table, also where nothing is staged for it, in the plan's order.

        Raises:
            ValueError: if a file is of no table of the plan, or of keys that leave one which is
                not merged.
        """
        by_name: dict[str, list[StagedFile]] = {name: [] for name in self.contracts}
        for file in sorted(staged):
            if file.table not in by_name:
                raise ValueError(
                    f"{file.path} holds rows of {file.table}, which this commit does not take: "
                    "please report this as a bug"
                )
            by_name[file.table].append(file)
        return [
            Change(
                table,
                disposition,
                [*by_name[table.name], *by_name.get(table.appended.name, ())],
                by_name.get(table.deletes.name, ()),
            )
            for table, disposition in self.dispositions.items()
        ]
