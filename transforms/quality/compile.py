"""The checks of tables: those that are declared, and those that follow from the contract."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from transforms.contract import FLOAT, Column, Table, Type
from transforms.data_error import DataError
from transforms.marts.dim_users import COUNT_COLUMNS
from transforms.quality.declaration import (
    RUN,
    AddsUp,
    Bound,
    ColumnCheck,
    InRange,
    OneOf,
    References,
    Severity,
    TableCheck,
    Total,
    Unique,
)
from transforms.vocabulary import EVENT_TYPES

_LARGEST_FLOAT = 1.7976931348623157e308
_WORD = re.compile(r"(?<![\w.])[a-z][a-z0-9_.]*(?![\w.])")


@dataclass(frozen=True)
class RowRule:
    """A condition that every row keeps.

    Attributes:
        condition: SQL; a row that makes it FALSE fails, one that makes it NULL is not checked. It
            takes for unknown what a column's own check refuses, so that one wrong value is told
            once.
    """

    condition: str


@dataclass(frozen=True)
class ColumnRule:
    """A condition that every value of a column keeps by itself.

    Attributes:
        condition: SQL; NULL where the column is, unless it forbids just that.
        kept: the declaration that it follows from; None for NOT NULL.
    """

    condition: str
    kept: ColumnCheck | None = None


Rule: TypeAlias = RowRule | ColumnRule | Unique | References | AddsUp


@dataclass(frozen=True)
class Check:
    """A check of one table.

    Attributes:
        check_id: the table's name, a dot, and a name that is unique in the table; it stays.
        table: the table's name.
        column: the column that it guards, if it is one.
        check_type: not_null, unique, accepted_values, range, pattern, references, relation or
            totals.
        severity: whether a failure is an error or a warning.
        description: the rule in one line.
        rule: what is to be evaluated.
    """

    check_id: str
    table: str
    column: str | None
    check_type: str
    severity: Severity
    description: str
    rule: Rule

    @property
    def totals(self) -> tuple[Total, ...]:
        """The totals that it compares, if it does."""
        return self.rule.left + self.rule.right if isinstance(self.rule, AddsUp) else ()

    @property
    def tables(self) -> frozenset[str]:
        """The tables that must be there to evaluate it, RUN among them."""
        found = {self.table, *(total.table for total in self.totals)}
        if isinstance(self.rule, References):
            found.add(self.rule.table)
        if isinstance(self.rule, RowRule):
            found |= tables_named(self.rule.condition)
        return frozenset(found)


def tables_named(condition: str) -> set[str]:
    """The other tables whose columns a condition names."""
    return {table for table, _ in columns_elsewhere(condition)}


def columns_elsewhere(condition: str) -> set[tuple[str, str]]:
    """(table, column) for each column of another table that a condition names."""
    words = (word for word in words_of(condition) if "." in word)
    return {(table, column) for table, _, column in (word.partition(".") for word in words)}


@functools.cache
def words_of(condition: str) -> frozenset[str]:
    """The lower-case words of SQL outside of its string literals, with the dots in them."""
    return frozenset(_WORD.findall(" ".join(condition.split("'")[::2])))


def compile_checks(tables: Iterable[Table], active_types: Sequence[int]) -> tuple[Check, ...]:
    """All checks of some tables, in the order of tables and columns.

    Args:
        tables: the contracts.
        active_types: indices in EVENT_TYPES of the event types that make a user active.

    Raises:
        DataError: if a check names a table that is none of these: nobody would evaluate it.
    """
    contracts = list(tables)
    counts = [COUNT_COLUMNS[EVENT_TYPES[code]] for code in active_types]
    active_events = f"({' + '.join(counts)})"
    checks = tuple(
        _with_active(check, active_events) for table in contracts for check in _checks_of(table)
    )
    _refuse_unknown_tables(checks, {RUN, *(table.name for table in contracts)})
    return checks


def _refuse_unknown_tables(checks: Iterable[Check], known: set[str]) -> None:
    for check in checks:
        unknown = sorted(check.tables - known)
        if unknown:
            raise DataError(
                f"the check {check.check_id} can't be evaluated: there is no table {unknown[0]}. "
                f"Mend it where {check.table} is declared"
            )


def _with_active(check: Check, active_events: str) -> Check:
    rule = check.rule
    if not isinstance(rule, AddsUp):
        return check
    left, right = (
        tuple(
            replace(total, expression=total.expression.replace("ACTIVE_EVENTS", active_events))
            for total in side
        )
        for side in (rule.left, rule.right)
    )
    return replace(check, rule=replace(rule, left=left, right=right))


def _checks_of(table: Table) -> Iterator[Check]:
    for column in table.columns:
        yield from _column_checks(table.name, column)
    if table.primary_key:
        name = f"{'_and_'.join(table.primary_key)}.unique"
        yield _table_check(table.name, Unique(name, table.primary_key))
    for rule in table.checks:
        yield _table_check(table.name, rule)


def _column_checks(table: str, column: Column) -> Iterator[Check]:
    def check(kind: str, severity: Severity, description: str, rule: ColumnRule) -> Check:
        check_id = f"{table}.{column.name}.{kind}"
        return Check(check_id, table, column.name, kind, severity, description, rule)

    if column.never_null:
        not_null = ColumnRule(f"{column.name} IS NOT NULL")
        yield check("not_null", "error", f"{column.name} is never NULL", not_null)
    for kept in column.checks:
        kind, description = _described(column, kept)
        rule = ColumnRule(column_condition(column, kept), kept)
        yield check(kind, kept.severity, description, rule)


def _described(column: Column, rule: ColumnCheck) -> tuple[str, str]:
    name = column.name
    if isinstance(rule, OneOf):
        return "accepted_values", f"{name} is one of {', '.join(map(str, rule.values))}"
    if not isinstance(rule, InRange):
        return "pattern", f"{name} is {rule.what}"
    if rule.low is not None and rule.high is not None:
        return "range", f"{name} is from {rule.low} to {rule.high}"
    bound = f">= {rule.low}" if rule.low is not None else f"<= {rule.high}"
    return "range", f"{name} is {bound}"


def column_condition(column: Column, rule: ColumnCheck) -> str:
    """A column's check as SQL; NULL where the column is."""
    name = column.name
    if isinstance(rule, OneOf):
        return f"{name} IN ({', '.join(_literal(value) for value in rule.values)})"
    if isinstance(rule, InRange):
        return _within(name, column.type, rule)
    return f"REGEXP_CONTAINS({name}, '{rule.pattern}')"


def _within(name: str, kind: Type, rule: InRange) -> str:
    low, high = rule.low, rule.high
    if kind is FLOAT:  # NaN and infinities lie in no range, which the warehouses see differently.
        low = -_LARGEST_FLOAT if low is None else low
        high = _LARGEST_FLOAT if high is None else high
    bounds = [f"{name} >= {_literal(low)}"] if low is not None else []
    bounds += [f"{name} <= {_literal(high)}"] if high is not None else []
    return " AND ".join(bounds)


def _literal(value: Bound | str) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _table_check(table: str, rule: TableCheck) -> Check:
    if isinstance(rule, Unique):
        unique = f"{', '.join(rule.columns)}: no two rows are the same in it{_where(rule.where)}"
        column = rule.columns[0] if len(rule.columns) == 1 else None
        return Check(f"{table}.{rule.name}", table, column, "unique", rule.severity, unique, rule)
    if isinstance(rule, References):
        check_id = f"{table}.{rule.column}.in_{rule.table}"
        told = f"every {rule.column}{_where(rule.where)} stands in {rule.table}.{rule.other}"
        return Check(check_id, table, rule.column, "references", rule.severity, told, rule)
    check_id = f"{table}.{rule.name}"
    if isinstance(rule, AddsUp):
        return Check(check_id, table, None, "totals", rule.severity, rule.description, rule)
    return Check(
        check_id,
        table,
        None,
        "relation",
        rule.severity,
        rule.description,
        RowRule(rule.condition),
    )


def _where(where: tuple[str, int | bool] | None) -> str:
    return f" of rows with {where[0]} = {where[1]}" if where else ""


def answerable(checks: Iterable[Check], tables: Iterable[str]) -> tuple[Check, ...]:
    """Those checks that can be evaluated where these tables, or RUN, are there."""
    present = {*tables}
    return tuple(check for check in checks if check.tables <= present)


def without_columns(
    checks: Iterable[Check], missing: Container[tuple[str, str]]
) -> tuple[Check, ...]:
    """Those checks that ask nothing of some columns.

    Args:
        checks: of any tables.
        missing: (table, column) of each such column.
    """
    return tuple(
        check for check in checks if not any(named in missing for named in _columns_named(check))
    )


def _columns_named(check: Check) -> Iterator[tuple[str, str]]:
    rule = check.rule
    if isinstance(rule, RowRule):
        yield from _in_condition(check.table, rule.condition)
    elif isinstance(rule, AddsUp):
        for total in check.totals:
            yield from _in_condition(total.table, total.expression)
    elif isinstance(rule, Unique):
        yield from ((check.table, column) for column in rule.columns)
    else:
        yield check.table, str(check.column)
        if isinstance(rule, References):
            yield rule.table, rule.other


def _in_condition(table: str, condition: str) -> Iterator[tuple[str, str]]:
    for word in words_of(condition):
        other, _, column = word.rpartition(".")
        yield other or table, column.removeprefix("previous_")


def row_by_row(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those checks that any part of a table's rows answers, as a flush of a stream has it.

    They look neither at the row before nor at other tables, nor do they add up anything.
    """
    return tuple(
        check
        for check in checks
        if isinstance(check.rule, ColumnRule)
        or (isinstance(check.rule, Unique) and check.rule.where is None)
        or (
            isinstance(check.rule, RowRule)
            and not any(
                "." in word or word.startswith("previous_")
                for word in words_of(check.rule.condition)
            )
        )
    )
