"""What a commit does to which table, and the changes that staged files make by that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.warehouse.changes import Change, Matching, StagedFile, WriteDisposition
from transforms.contract import Table


@dataclass(frozen=True)
class CommitPlan:
    """What becomes of the rows that tables have, table by table.

    Attributes:
        dispositions: by the contract of each table that a commit may change.
        matching: by the name of a table the columns by whose values rows may leave it; each
            tuple in the order of the contract.
    """

    dispositions: Mapping[Table, WriteDisposition]
    matching: Mapping[str, Sequence[tuple[str, ...]]] = field(default_factory=dict)

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
        """The contracts of all that may be staged, by name: of rows; where tables are merged of
        keys that leave them, and of rows known to be new; of values that rows leave by."""
        found = {table.name: table for table in self.dispositions}
        for table, disposition in self.dispositions.items():
            also = [table.matching(columns) for columns in self._matching(table)]
            if disposition is WriteDisposition.MERGE:
                also += [table.deletes, table.appended]
            found.update({contract.name: contract for contract in also})
        return found

    @property
    def verb(self) -> str:
        """What a commit does to the tables, for people."""
        replaces = WriteDisposition.REPLACE in self.dispositions.values()
        return "replaced" if replaces else "updated"

    def arrived(self, staged: Iterable[StagedFile]) -> dict[str, int]:
        """How many staged rows are new to each table: of those that are merged they are staged as
        such, of others all are."""
        found = dict.fromkeys((table.name for table in self.dispositions), 0)
        origin = {
            (table.appended if how is WriteDisposition.MERGE else table).name: table.name
            for table, how in self.dispositions.items()
        }
        for file in staged:
            if file.table in origin:
                found[origin[file.table]] += file.rows
        return found

    def changes(self, staged: Iterable[StagedFile]) -> list[Change]:
        """A change for each table, also where nothing is staged for it, in the plan's order.

        Raises:
            ValueError: if a file is of no table of the plan, or of rows that one does not take.
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
                by_name[table.name],
                tuple(by_name.get(table.deletes.name, ())),
                tuple(by_name.get(table.appended.name, ())),
                tuple(
                    Matching(columns, by_name[table.matching(columns).name])
                    for columns in self._matching(table)
                ),
            )
            for table, disposition in self.dispositions.items()
        ]

    def _matching(self, table: Table) -> Sequence[tuple[str, ...]]:
        return self.matching.get(table.name, ())
