"""Which checks a place can answer: a step of a run, a flush of a stream, a warehouse.

A check needs all tables that it names. Where a table comes in parts, the step decides which rows
belong together: a shard holds all rows of its users, a flush any rows of a table.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from transforms.contract import Table
from transforms.quality.compile import Check, Checks, ColumnRule, RowRule
from transforms.quality.condition import names
from transforms.quality.declaration import References, Unique
from transforms.quality.sql import Scan


class Plan(NamedTuple):
    """How the checks that some tables answer are evaluated.

    Attributes:
        columns: those that are asked of a column by itself, without a statement.
        keys: those of keys, each by itself.
        scans: conditions and totals, a statement for each table.
    """

    columns: tuple[Check, ...]
    keys: tuple[Check, ...]
    scans: tuple[Scan, ...]


def plan_in_memory(
    checks: Iterable[Check], tables: Mapping[str, Table], present: Iterable[str]
) -> Plan:
    """The plan over Arrow tables, in which the row before stands beside its row already.

    Args:
        checks: any; what the tables can't answer is left out, but for their totals.
        tables: all contracts, by name.
        present: the names of the tables that are there.
    """
    found = answerable(checks, present)
    columns = tuple(check for check in found if isinstance(check.rule, ColumnRule))
    scans = _scans(checks, tables, present, (RowRule,), ordered=True)
    return Plan(columns, _of_keys(found), scans)


def plan_in_warehouse(checks: Iterable[Check], tables: Mapping[str, Table]) -> Plan:
    """The plan over tables in a warehouse, by name: statements do it all."""
    scans = _scans(checks, tables, tables, (ColumnRule, RowRule), ordered=False)
    return Plan((), _of_keys(answerable(checks, tables)), scans)


def plan_of_flush(checks: Iterable[Check], table: str) -> Checks:
    """Those checks that any part of a table's rows answers, as a flush of a stream has it.

    They look neither at the row before nor at other tables, nor do they add up anything.
    """
    return Checks(check for check in answerable(checks, [table]) if _is_row_by_row(check))


def plan_of_increment(checks: Iterable[Check], parts: Container[str]) -> Checks:
    """Those checks that an increment answers, which holds some tables whole and of others a part.

    Of the latter it holds the rows that change, and what belongs to the same users: so their checks
    look neither at the row before nor at keys of some rows, nor do they add up anything.

    Args:
        checks: any.
        parts: the names of the tables of which it holds a part.
    """
    return Checks(
        check
        for check in checks
        if not any(table in parts for table in check.tables) or _is_of_parts(check)
    )


def _is_of_parts(check: Check) -> bool:
    rule = check.rule
    if isinstance(rule, RowRule):
        return not any(name.previous for name in names(rule.condition))
    return isinstance(rule, ColumnRule | References) or _is_of_all_keys(check)


def answerable(checks: Iterable[Check], present: Iterable[str]) -> tuple[Check, ...]:
    """Those checks that can be evaluated where these tables, or RUN, are there."""
    there = {*present}
    return tuple(check for check in checks if check.tables <= there)


def without_columns(
    checks: Iterable[Check], missing: Container[tuple[str, str]]
) -> tuple[Check, ...]:
    """Those checks that ask nothing of some columns.

    Args:
        checks: of any tables.
        missing: (table, column) of each such column.
    """
    return tuple(
        check for check in checks if not any(column in missing for column in check.columns)
    )


def _is_row_by_row(check: Check) -> bool:
    rule = check.rule
    if isinstance(rule, RowRule):
        return not any(name.table or name.previous for name in names(rule.condition))
    return isinstance(rule, ColumnRule) or _is_of_all_keys(check)


def _is_of_all_keys(check: Check) -> bool:
    return isinstance(check.rule, Unique) and check.rule.where is None


def _of_keys(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(check for check in checks if isinstance(check.rule, Unique | References))


def _scans(
    checks: Iterable[Check],
    tables: Mapping[str, Table],
    present: Iterable[str],
    kinds: tuple[type, ...],
    *,
    ordered: bool,
) -> tuple[Scan, ...]:
    """A scan for each table that is there and of which checks ask something by row or total."""
    found = answerable(checks, present)
    every = dict.fromkeys(total for check in checks for total in check.totals)
    scans = (
        Scan(
            tables[name],
            tables,
            tuple(c for c in found if c.table == name and isinstance(c.rule, kinds)),
            tuple(total for total in every if total.table == name),
            ordered,
        )
        for name in present
    )
    return tuple(scan for scan in scans if scan.checks or scan.totals)
