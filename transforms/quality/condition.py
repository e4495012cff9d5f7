"""The columns that the SQL of a check names.

A few words of SQL that both warehouses know need no parser: tests hold the names found here to
those that sqlglot finds. To parse all conditions takes it 0.5 s at every start, and this 1 ms.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

PREVIOUS: Final = "previous_"
# A literal, or a lower-case name, perhaps of another table: keywords and functions are upper case.
_TOKEN: Final = re.compile(
    r"'[^']*'|(?<![\w.])(?:(?P<table>[a-z][a-z0-9_]*)\.)?(?P<column>[a-z][a-z0-9_]*)(?![\w.])"
)


class Name(NamedTuple):
    """A column that a condition names.

    Attributes:
        table: the other table that it is of; "" for the row's own.
        column: its name in that table.
        previous: whether it is that of the row before.
    """

    table: str
    column: str
    previous: bool = False

    @property
    def spelled(self) -> str:
        """As a statement names it, in which other tables are joined."""
        if self.table:
            return f"{self.table}__{self.column}"
        return f"{PREVIOUS}{self.column}" if self.previous else self.column


@functools.cache
def names(sql: str) -> frozenset[Name]:
    """The columns that a condition or a total names."""
    return frozenset(_name(found) for found in _TOKEN.finditer(sql) if found["column"])


def spell(sql: str) -> str:
    """The same SQL, in which columns of other tables are named as the join names them."""
    return _TOKEN.sub(lambda found: _name(found).spelled if found["table"] else found[0], sql)


def _name(found: re.Match[str]) -> Name:
    table, column = found["table"] or "", found["column"]
    previous = not table and column.startswith(PREVIOUS)
    return Name(table, column.removeprefix(PREVIOUS) if previous else column, previous)
