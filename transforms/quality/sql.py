"""Checks as SQL, in words that BigQuery and DuckDB both know.

All row checks and totals of a table are one statement, which reads the table once; so are all
checks of keys together, whichever tables they look at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from transforms.contract import Table
from transforms.quality.check_counts import MAX_SAMPLES, CheckCount, CheckCounts
from transforms.quality.compile import Check, ColumnRule, RowRule, column_condition
from transforms.quality.condition import PREVIOUS, Name, names, spell
from transforms.quality.declaration import References, Total, Unique

# A table as SQL that may follow FROM, by its name.
Source: TypeAlias = Callable[[str], str]


@dataclass(frozen=True)
class Scan:
    """One look at all rows of a table.

    Attributes:
        table: the contract.
        tables: the contracts of the tables that checks may join, by name.
        checks: the table's row checks.
        totals: of the table.
        ordered: whether the source has columns `previous_x` already.
    """

    table: Table
    tables: Mapping[str, Table]
    checks: tuple[Check, ...]
    totals: tuple[Total, ...]
    ordered: bool = False

    @functools.cached_property
    def named(self) -> frozenset[Name]:
        """What its conditions and totals name."""
        conditions = [_condition(check) for check in self.checks]
        expressions = [total.expression for total in self.totals]
        return frozenset().union(*map(names, (*conditions, *expressions)))

    @property
    def previous(self) -> list[str]:
        """The columns of which the row before is looked at."""
        wanted = {name.column for name in self.named if name.previous}
        return [name for name in self.table.column_names if name in wanted]

    @property
    def joined(self) -> list[str]:
        """The other tables whose rows of the same key are looked at."""
        return sorted({name.table for name in self.named if name.table})

    def plain_statement(self, source: Source) -> str:
        """The same for rows of which no condition fails, and whose totals add up values that are
        what they must be; where one is not, `is_plain` says so, and `statement` is to ask about
        each. Shorter, it is planned in half the time, and looks at each value once."""
        conditions = (spell(_condition(check)) for check in self.checks)
        columns = self._failing([f"NOT ({condition})" for condition in conditions])
        for number, total in enumerate(self.totals):
            expression = spell(total.expression)
            columns.append(f"SUM({expression}) AS sum_{number}")
            columns.append(f"COUNTIF(({expression}) IS NULL) AS unknown_{number}")
        sound = self._sound(*(total.expression for total in self.totals))
        columns.append(f"COUNTIF(NOT ({sound})) AS unsound")
        return f"SELECT {', '.join(columns)} FROM {self._rows(source)}"

    def statement(self, source: Source) -> str:
        """SQL that gives one row, which `read` understands."""
        columns = self._failing([self._fails(check) for check in self.checks])
        for number, total in enumerate(self.totals):
            expression, sound = spell(total.expression), self._sound(total.expression)
            columns.append(f"SUM({expression}) AS sum_{number}")
            unknown = f"({expression}) IS NULL OR NOT ({sound})"
            columns.append(f"COUNTIF({unknown}) AS unknown_{number}")
        return f"SELECT {', '.join(columns)} FROM {self._rows(source)}"

    def _failing(self, failing: Sequence[str]) -> list[str]:
        """The columns that count all rows, and those that fail in checks, by these conditions."""
        columns = ["COUNT(*) AS all_rows"]
        for number, (check, fails) in enumerate(zip(self.checks, failing, strict=True)):
            columns.append(f"COUNTIF({fails}) AS fails_{number}")
            if not _is_not_null(check):
                columns.append(f"COUNT({_checked(check)}) AS checked_{number}")
        return columns

    @staticmethod
    def is_plain(row: Mapping[str, Any]) -> bool:
        """Whether the answer to `plain_statement` is that to `statement`."""
        return not any(
            found for name, found in row.items() if name.startswith("fails_") or name == "unsound"
        )

    def read(self, row: Mapping[str, Any]) -> CheckCounts:
        """What the statement has counted; without samples."""
        checks = {
            check.check_id: CheckCount(
                # DuckDB counts NULL of no rows.
                int(row[f"fails_{number}"] or 0),
                int(row.get(f"checked_{number}", row["all_rows"])),
            )
            for number, check in enumerate(self.checks)
        }
        totals = {
            total.key: None if row[f"unknown_{number}"] else int(row[f"sum_{number}"] or 0)
            for number, total in enumerate(self.totals)
        }
        return CheckCounts(checks, totals)

    def samples(self, check: Check, source: Source) -> str:
        """SQL that gives some failing keys of a check, and the column that it guards."""
        shown = sample_columns(check, self.table)
        return (
            f"SELECT {', '.join(shown)} FROM {self._rows(source)} WHERE {self._fails(check)} "
            f"ORDER BY {', '.join(shown)} LIMIT {MAX_SAMPLES}"
        )

    def _fails(self, check: Check) -> str:
        condition = spell(_condition(check))
        if isinstance(check.rule, ColumnRule):
            return f"NOT ({condition})"
        sound = self._sound(_condition(check))
        # Of the few rows that fail alone it is asked whether their values are known.
        return f"CASE WHEN NOT ({condition}) THEN {sound} ELSE FALSE END"

    def _sound(self, *conditions: str) -> str:
        """Whether all columns of some conditions keep what they must keep by themselves."""
        known = []
        for name in sorted(frozenset().union(*map(names, conditions))):
            contract = self.tables[name.table] if name.table else self.table
            column = contract.column(name.column)
            if column is None:
                continue
            if column.never_null and not (name.table or name.previous):
                known.append(f"{name.spelled} IS NOT NULL")
            for rule in column.checks:
                if rule.severity == "error":
                    kept = column_condition(replace(column, name=name.spelled), rule)
                    known.append(f"COALESCE({kept}, TRUE)")
        return " AND ".join(f"({part})" for part in known) or "TRUE"

    def _rows(self, source: Source) -> str:
        rows = source(self.table.name)
        if self.previous and not self.ordered:
            order = self.table.order
            within = f"PARTITION BY {', '.join(order.within)} " if order.within else ""
            by = ", ".join(f"{name} NULLS LAST" for name in order.by)
            lags = ", ".join(f"LAG({name}) OVER w AS {PREVIOUS}{name}" for name in self.previous)
            rows = f"(SELECT *, {lags} FROM {rows} AS rows_of WINDOW w AS ({within}ORDER BY {by}))"
        joins = "".join(self._join(table, source) for table in self.joined)
        return f"{rows} AS t{joins}"

    def _join(self, other: str, source: Source) -> str:
        named = sorted(name for name in self.named if name.table == other)
        key = self.tables[other].primary_key
        columns = [f"{name} AS {other}__key_{name}" for name in key]
        # A key that repeats is reported by its own check, and must not multiply rows here.
        columns += [f"ANY_VALUE({name.column}) AS {name.spelled}" for name in named]
        same = " AND ".join(f"t.{name} = {other}.{other}__key_{name}" for name in key)
        return (
            f" LEFT JOIN (SELECT {', '.join(columns)} FROM {source(other)} AS other "
            f"GROUP BY {', '.join(key)}) AS {other} ON {same}"
        )


def sample_columns(check: Check, table: Table) -> list[str]:
    """What is shown of a failing row: its key, and the column that the check guards."""
    shown = [*table.primary_key] or [table.columns[0].name]
    return shown if check.column in (None, *shown) else [*shown, str(check.column)]


def keys_statement(checks: Sequence[Check], source: Source) -> str:
    """SQL that gives a row (number, failing, checked) for each check of keys."""
    parts = (
        f"SELECT {number} AS number, {_counts(check.rule)} FROM {_groups(check, source)}"
        for number, check in enumerate(checks)
    )
    return " UNION ALL ".join(parts)


def read_keys(checks: Sequence[Check], rows: Iterable[Mapping[str, Any]]) -> CheckCounts:
    """What `keys_statement` has counted; without samples."""
    return CheckCounts(
        {
            checks[row["number"]].check_id: CheckCount(int(row["failing"]), int(row["checked"]))
            for row in rows
        }
    )


def key_samples(check: Check, source: Source) -> str:
    """SQL that gives some failing keys of a check of keys."""
    rule = check.rule
    assert isinstance(rule, Unique | References)
    columns = rule.columns if isinstance(rule, Unique) else (rule.column,)
    failing = "n > 1" if isinstance(rule, Unique) else "found IS NULL"
    return (
        f"SELECT {', '.join(columns)} FROM {_groups(check, source)} WHERE {failing} "
        f"ORDER BY {', '.join(columns)} LIMIT {MAX_SAMPLES}"
    )


def _counts(rule: Any) -> str:
    fails = "n > 1" if isinstance(rule, Unique) else "found IS NULL"
    return (
        f"COALESCE(SUM(CASE WHEN {fails} THEN n ELSE 0 END), 0) AS failing, "
        "COALESCE(SUM(n), 0) AS checked"
    )


def _groups(check: Check, source: Source) -> str:
    """The keys of a check with their numbers of rows `n`, and whether they are `found`."""
    rule = check.rule
    assert isinstance(rule, Unique | References)
    columns = rule.columns if isinstance(rule, Unique) else (rule.column,)
    wanted = [f"{name} IS NOT NULL" for name in columns]
    if rule.where:
        wanted.append(f"{rule.where[0]} = {str(rule.where[1]).upper()}")
    keys = ", ".join(columns)
    groups = (
        f"(SELECT {keys}, COUNT(*) AS n FROM {source(check.table)} AS rows_of "
        f"WHERE {' AND '.join(wanted)} GROUP BY {keys}) AS k"
    )
    if isinstance(rule, Unique):
        return groups
    return (
        f"{groups} LEFT JOIN (SELECT DISTINCT {rule.other} AS found FROM {source(rule.table)} "
        f"AS other) AS o ON k.{rule.column} = o.found"
    )


def _is_not_null(check: Check) -> bool:
    return check.check_type == "not_null"


def _checked(check: Check) -> str:
    return str(check.column) if isinstance(check.rule, ColumnRule) else spell(_condition(check))


def _condition(check: Check) -> str:
    assert isinstance(check.rule, RowRule | ColumnRule)
    return check.rule.condition
