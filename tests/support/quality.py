"""Small tables in which every check has something to look at, and checks evaluated both ways."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from tests.support.tables import csv_text, row
from transforms.figure_settings import FigureSettings
from transforms.google_sql import MACROS
from transforms.marts.registry import FINISH, TABLES, all_checks
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check, RowRule
from transforms.quality.pushdown import evaluate
from transforms.quality.results import Result, conclude
from transforms.vocabulary import EVENT_TYPES

CHECKS: Final = all_checks(FigureSettings())
# The tables that one step of the graph has before it.
GROUPS: Final = (
    ("fct_events", "dim_users", "users_with_negative_miles"),
    tuple(FINISH),
    ("dead_letter_events",),
)
# Of each table those that its conditions look at.
_READ_WITH: Final = {
    name: {name}.union(
        *(c.tables for c in CHECKS if c.table == name and isinstance(c.rule, RowRule))
    )
    for name in TABLES
}
_SILENT_MONTH: Final = 4


def write_events(path: Path) -> None:
    """Events of two years: days and a month without any, every type, channel and platform."""
    chance = random.Random(11)
    rows = []
    for user in range(90):
        at = datetime(2024, 1, 1) + timedelta(days=chance.randrange(75), hours=chance.randrange(20))
        for _ in range(chance.choice([1, 1, 2, 4, 9, 25])):
            kind = chance.choice(EVENT_TYPES)
            if at.month != _SILENT_MONTH:
                rows.append(_event(at, f"u{user % 80:03}", kind, chance))
            at += chance.choice([timedelta(minutes=7), timedelta(hours=2), timedelta(days=1)])
            at += timedelta(days=chance.choice([0, 0, 0, 1, 3, 9, 35, 95]))
    # A cohort of one user, in the last month but one.
    rows += [row("2025-11-30T12:00:00Z", "zoe", "like"), row("2025-12-31T12:00:00Z", "zoe", "like")]
    rows += [row("yesterday"), row("2024-01-01T00:00:00Z", kind="purchase")]
    path.write_bytes(csv_text(rows) + b"2024-01-01T00:00:00Z,caf\xe9,share,,,iOS,,\n")


def _event(at: datetime, user: str, kind: str, chance: random.Random) -> dict[str, str]:
    amount = {"miles_earned": "120", "miles_redeemed": "150"}.get(kind, "")
    return row(
        f"{at:%Y-%m-%dT%H:%M:%S}Z",
        user,
        kind,
        amount=amount,
        platform=chance.choice(["iOS", "Android", "Web"]),
        source=chance.choice(["organic", "paid", "social", "referral", ""]),
        country=chance.choice(["SG", "US", ""]),
    )


def in_memory(tables: Mapping[str, pa.Table], checks: Sequence[Check] = CHECKS) -> CheckCounts:
    """What the checks come to as the graph evaluates them."""
    over = ArrowChecks(checks, TABLES)
    return CheckCounts.total(
        over.evaluate({name: tables[name] for name in group}) for group in GROUPS
    )


def of_run(input_rows: int, duplicates: int) -> CheckCounts:
    """What the run itself has counted."""
    return CheckCounts(
        totals={
            "run: input_rows": input_rows,
            "run: taken_back": 0,
            "run: duplicates": duplicates,
            "run: forgotten": 0,
            "run: excluded": 0,
        }
    )


def failures(results: Iterable[Result]) -> dict[str, Result]:
    """The failed checks by id."""
    return {result.check.check_id: result for result in results if not result.passed}


class Copy:
    """A copy of correct tables, without constraints, in which rules can be broken.

    Args:
        tables: the tables.
        duplicates: how many duplicates the run has found.
    """

    def __init__(self, tables: Mapping[str, pa.Table], duplicates: int = 0):
        self.connection = duckdb.connect()
        for macro in MACROS:
            self.connection.execute(macro)
        for name, table in tables.items():
            self.connection.register("rows_of", table)
            self.connection.execute(f'CREATE TABLE "{name}" AS FROM rows_of')
        dead_letters, events = tables["dead_letter_events"], tables["fct_events"]
        self.run = of_run(dead_letters.num_rows + events.num_rows + duplicates, duplicates)
        self._over = ArrowChecks(CHECKS, TABLES)
        self._overs: dict[frozenset[str], ArrowChecks] = {}
        self._sound = {
            group: self._over.look({name: tables[name] for name in group}).checks
            for group in GROUPS
        }
        self._answers: dict[str, Any] = {}
        self._read: dict[str, pa.Table] = {}
        self._counted: dict[str, CheckCounts] = {}
        self._grouped: dict[tuple[str, ...], CheckCounts] = {}
        self.touched: set[str] = set()

    def broken(self, statements: Iterable[str], look: Callable[[], None]) -> None:
        """Look at the tables with some statements executed, and take those back."""
        self.connection.begin()
        try:
            for statement in statements:
                verb, *words = statement.split()
                self.touched.add(words[0] if verb == "UPDATE" else words[1])
                changed = self.connection.execute(statement).fetchone()
                assert changed and changed[0], f"nothing to break: {statement}"
            look()
        finally:
            self.connection.rollback()
            self.touched.clear()

    def pushed_down(self) -> list[Result]:
        """The results by SQL on the tables."""
        return evaluate(CHECKS, TABLES, str, lambda asked: [self._ask(text) for text in asked])

    def _ask(self, statement: str) -> Any:
        """An answer; of tables that nothing touched the one of the last time."""
        stale = any(f"{name} AS" in statement for name in self.touched)
        if statement in self._answers and not stale:
            return self._answers[statement]
        found = self.connection.execute(statement)
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
        if not stale:
            self._answers[statement] = rows
        return rows

    def as_in_the_graph(self) -> list[Result]:
        """The results over Arrow tables, with those of the run's counts."""
        parts = [self._group(group) for group in GROUPS]
        return conclude(CHECKS, CheckCounts.total([*parts, self.run]))

    def _group(self, group: tuple[str, ...]) -> CheckCounts:
        """The same as `ArrowChecks.evaluate`; a scan of a table takes 12 ms, of 17 200.

        What a group answers whose tables nothing touched is that of the last time.
        """
        if group in self._grouped and self.touched.isdisjoint(group):
            return self._grouped[group]
        tables = {name: self._table(name) for name in group}
        scans = [self._scan(name, tables) for name in group]
        counts = CheckCounts.total([self._look(group, tables), *scans])
        if self.touched.isdisjoint(group):
            self._grouped[group] = counts
        return counts

    def _look(self, group: tuple[str, ...], tables: Mapping[str, pa.Table]) -> CheckCounts:
        """The same as `ArrowChecks.look`, but for checks of tables that nothing touched."""
        stale = frozenset(self.touched)
        if stale not in self._overs:
            those = [check for check in CHECKS if not stale.isdisjoint(check.tables)]
            self._overs[stale] = ArrowChecks(those, TABLES)
        return CheckCounts({**self._sound[group], **self._overs[stale].look(tables).checks})

    def _table(self, name: str) -> pa.Table:
        if name in self._read and name not in self.touched:
            return self._read[name]
        rows = self.connection.sql(f'FROM "{name}"').to_arrow_table()
        if name not in self.touched:
            self._read[name] = rows
        return rows

    def _scan(self, name: str, tables: Mapping[str, pa.Table]) -> CheckCounts:
        """A table's conditions and totals; where nothing they read was touched as the last time."""
        stale = not self.touched.isdisjoint(_READ_WITH[name])
        if name in self._counted and not stale:
            return self._counted[name]
        counts = self._over.scan(tables, [name])
        if not stale:
            self._counted[name] = counts
        return counts
