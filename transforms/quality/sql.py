"""Checks as SQL, in words that BigQuery and DuckDB both know.

All row checks and totals of a table are one statement, which reads the table once; so are all
checks of keys together, whichever tables they look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from transforms.contract import Table
from transforms.quality.check_counts import MAX_SAMPLES, CheckCount, CheckCounts
from transforms.quality.compile import (
    Check,
    ColumnRule,
    RowRule,
    answerable,
    column_condition,
    columns_elsewhere,
    words_of,
)
from transforms.quality.declaration import References, Total, Unique

# A table as SQL that may follow FROM, by its name.
Source: TypeAlias = Callable[[str], str]
_PREVIOUS: Final = "previous_"


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

    @property
    def previous(self) -> list[str]:
        """The columns of which the row before is looked at."""
        named = {word for condition in self._conditions() for word in words_of(condition)}
        return [name for name in self.table.column_names if f"{_PREVIOUS}{name}" in named]

    def _conditions(self) -> Iterator[str]:
        for check in self.checks:
            yield _condition(check)
        for total in self.totals:
            yield total.expression

    def statement(self, source: Source) -> str:
        """SQL that gives one row, which `read` understands."""
        return self._counting([self._fails(check) for check in self.checks], source)

    def plain_statement(self, source: Source) -> str:
        """The same for rows of which no condition fails; where one does, `statement` is to ask
        whether its values are known. Shorter, it is planned in half the time."""
        conditions = (_joined(_condition(check)) for check in self.checks)
        return self._counting([f"NOT ({condition})" for condition in conditions], source)

    def _counting(self, failing: Sequence[str], source: Source) -> str:
        columns = ["COUNT(*) AS all_rows"]
        for number, (check, fails) in enumerate(zip(self.checks, failing, strict=True)):
            columns.append(f"COUNTIF({fails}) AS fails_{number}")
            if not _is_not_null(check):
                columns.append(f"COUNT({_checked(check)}) AS checked_{number}")
        for number, total in enumerate(self.totals):
            sound = self._sound(total.expression) or "TRUE"
            expression = _joined(total.expression)
            columns.append(f"SUM({expression}) AS sum_{number}")
            unknown = f"({expression}) IS NULL OR NOT ({sound})"
            columns.append(f"COUNTIF({unknown}) AS unknown_{number}")
        return f"SELECT {', '.join(columns)} FROM {self._rows(source)}"

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
            total_key(total): None if row[f"unknown_{number}"] else int(row[f"sum_{number}"] or 0)
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
        condition = _joined(_condition(check))
        if isinstance(check.rule, ColumnRule):
            return f"NOT ({condition})"
        sound = self._sound(_condition(check))
        # Of the few rows that fail alone it is asked whether their values are known.
        return f"CASE WHEN NOT ({condition}) THEN {sound} ELSE FALSE END"

    def _sound(self, condition: str) -> str:
        """Whether all columns of a condition keep what they must keep by themselves."""
        own = {column.name: column for column in self.table.columns}
        known = []
        for word in sorted(words_of(condition)):
            table, _, other = word.rpartition(".")
            contract = self.tables.get(table)
            columns = own
            if contract is not None:
                columns = {column.name: column for column in contract.columns}
            name = other if contract is not None else word.removeprefix(_PREVIOUS)
            column = columns.get(name)
            if column is None:
                continue
            spelt = f"{table}__{other}" if contract is not None else word
            if column.never_null and word == name:
                known.append(f"{spelt} IS NOT NULL")
            for rule in column.checks:
                if rule.severity == "error":
                    kept = column_condition(replace(column, name=spelt), rule)
                    known.append(f"COALESCE({kept}, TRUE)")
        return " AND ".join(f"({part})" for part in known) or "TRUE"

    def _rows(self, source: Source) -> str:
        rows = source(self.table.name)
        if self.previous and not self.ordered:
            order = self.table.order
            within = f"PARTITION BY {', '.join(order.within)} " if order.within else ""
            by = ", ".join(f"{name} NULLS LAST" for name in order.by)
            lags = ", ".join(f"LAG({name}) OVER w AS {_PREVIOUS}{name}" for name in self.previous)
            rows = f"(SELECT *, {lags} FROM {rows} AS rows_of WINDOW w AS ({within}ORDER BY {by}))"
        joins = "".join(self._join(table, source) for table in self.joined)
        return f"{rows} AS t{joins}"

    @property
    def joined(self) -> list[str]:
        """The other tables whose rows of the same key are looked at."""
        return sorted({table for c in self._conditions() for table, _ in columns_elsewhere(c)})

    def _join(self, other: str, source: Source) -> str:
        named = {
            name
            for c in self._conditions()
            for table, name in columns_elsewhere(c)
            if table == other
        }
        key = self.tables[other].primary_key
        columns = [f"{name} AS {other}__key_{name}" for name in key]
        # A key that repeats is told by its own check, and must not multiply rows here.
        columns += [f"ANY_VALUE({name}) AS {other}__{name}" for name in sorted(named)]
        same = " AND ".join(f"t.{name} = {other}.{other}__key_{name}" for name in key)
        return (
            f" LEFT JOIN (SELECT {', '.join(columns)} FROM {source(other)} AS other "
            f"GROUP BY {', '.join(key)}) AS {other} ON {same}"
        )


def scans(
    checks: Iterable[Check],
    tables: Mapping[str, Table],
    present: Iterable[str],
    kinds: tuple[type, ...] = (ColumnRule, RowRule),
    *,
    ordered: bool = False,
) -> list[Scan]:
    """A scan for each table that is present and of which checks ask something by row or total.

    Args:
        checks: those whose tables are not all present are left out, but for their totals.
        tables: all contracts, by name.
        present: the names of the tables that can be read.
        kinds: which rules are evaluated row by row.
        ordered: whether the source of a table has columns `previous_x` already.
    """
    checks = list(checks)
    found = []
    for name in present:
        rows = tuple(
            check
            for check in answerable(checks, present)
            if check.table == name and isinstance(check.rule, kinds)
        )
        totals = dict.fromkeys(
            total for check in checks for total in check.totals if total.table == name
        )
        if rows or totals:
            found.append(Scan(tables[name], tables, rows, tuple(totals), ordered))
    return found


def sample_columns(check: Check, table: Table) -> list[str]:
    """What is shown of a failing row: its key, and the column that the check guards."""
    shown = [*table.primary_key] or [table.columns[0].name]
    return shown if check.column in (None, *shown) else [*shown, str(check.column)]


def key_checks(checks: Iterable[Check], present: Iterable[str]) -> list[Check]:
    """The checks of keys that can be evaluated where these tables are present."""
    return [
        check
        for check in answerable(checks, present)
        if isinstance(check.rule, Unique | References)
    ]


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


def total_key(total: Total) -> str:
    """By what `CheckCounts.totals` knows a total."""
    return f"{total.table}: {total.expression}"


def _is_not_null(check: Check) -> bool:
    return check.check_type == "not_null"


def _checked(check: Check) -> str:
    return str(check.column) if isinstance(check.rule, ColumnRule) else _joined(_condition(check))


def _condition(check: Check) -> str:
    assert isinstance(check.rule, RowRule | ColumnRule)
    return check.rule.condition


def _joined(condition: str) -> str:
    """A condition in which columns of other tables are named as the join names them."""
    for table, column in sorted(columns_elsewhere(condition)):
        condition = condition.replace(f"{table}.{column}", f"{table}__{column}")
    return condition
