"""What a run would leave of the history that a warehouse holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.errors import RunError
from pipeline.terminal import counted
from pipeline.warehouse import TableReader
from transforms.contract import Table
from transforms.marts import dead_letter_events, dim_users, fct_events, growth_metrics
from transforms.quality.compile import Check
from transforms.quality.declaration import AddsUp
from transforms.quality.results import Result

# By their rows: of a date without events growth_metrics has one too.
_MEASURES: Final[Mapping[str, Table]] = {
    "event": fct_events.TABLE,
    "user": dim_users.TABLE,
    "date": growth_metrics.TABLE,
}
_CHECK: Final = "history_stays"


def is_of_history(check_id: str) -> bool:
    """Whether it names what a refused run would have lost, which no other run looks at."""
    return check_id.endswith(f".{_CHECK}")


class Loss(NamedTuple):
    """A table that would lose more than it may.

    Attributes:
        table: its name.
        before, after: its rows.
    """

    table: str
    before: int
    after: int

    def result(self, max_pct: float) -> Result:
        """It as the result of a check, for data_quality_results."""
        description = f"a run leaves at most {max_pct:g} % fewer rows than the table has"
        check_id = f"{self.table}.{_CHECK}"
        rule = AddsUp(_CHECK, (), (), description)
        check = Check(check_id, self.table, None, "totals", "error", description, rule)
        return Result(check, 1, 1, json.dumps([{"before": self.before, "after": self.after}]))


@dataclass(frozen=True)
class History:
    """How much a warehouse holds before a run, and after it.

    Attributes:
        before, after: rows by the name of the table.
        input_rows: how many rows the run has read.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]
    input_rows: int

    @classmethod
    def of(cls, warehouse: TableReader, staged: Mapping[str, int], input_rows: int) -> History:
        """What a warehouse holds now, and what replaces it.

        Args:
            warehouse: it need not be there.
            staged: the rows that are staged, by the name of the table.
            input_rows: how many rows the run has read.

        Raises:
            RunError: if the warehouse can't be read.
        """
        tables = (*_MEASURES.values(), dead_letter_events.TABLE)
        with warehouse.kept_open():
            before = {table.name: warehouse.count(table) or 0 for table in tables}
        return cls(before, staged, input_rows)

    def losses(self, max_pct: float) -> list[Loss]:
        """The tables that would lose more than so many percent of their rows."""
        found = [
            Loss(table.name, self.before[table.name], self.after[table.name])
            for table in _MEASURES.values()
        ]
        return [loss for loss in found if 100 * (loss.before - loss.after) > max_pct * loss.before]

    def refuse(self, max_pct: float) -> None:
        """Raise RunError if too much would be lost, or no row was read where some are."""
        if not self.input_rows and any(self.before.values()):
            rejected = counted(self.before[dead_letter_events.TABLE.name], "dead letter")
            raise RunError(
                f"no row was read, and the tables hold {_extent(self.before)}, and {rejected}: see "
                "that --input names the files that are meant and that they are not empty; where "
                "the tables are to be emptied, add --allow_shrink"
            )
        if self.losses(max_pct):
            raise RunError(
                f"the tables hold {_extent(self.before)}, and this run would leave "
                f"{_extent(self.after)}, which is more than {max_pct:g} % (--max_shrink_pct) less. "
                "A run replaces all tables by what its own files hold: name the files of all "
                "history in one run, or add --allow_shrink where less is meant"
            )


def _extent(rows: Mapping[str, int]) -> str:
    events, users, dates = (counted(rows[table.name], noun) for noun, table in _MEASURES.items())
    return f"{events} of {users} on {dates}"
