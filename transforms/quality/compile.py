"""The checks of tables: those that are declared, and those that follow from the contract."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from transforms.contract import FLOAT, Column, Table, Type
from transforms.data_error import DataError
from transforms.quality.condition import names
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

_LARGEST_FLOAT = 1.7976931348623157e308


@dataclass(frozen=True)
class RowRule:
    """A condition that every row keeps.

    Attributes:
        condition: SQL; a row that makes it FALSE fails, one that makes it NULL is not checked. It
            takes for unknown what a column's own check refuses, so that one wrong value is reported
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
    def columns(self) -> frozenset[tuple[str, str]]:
        """(table, column) of each column that it looks at."""
        return frozenset(self._columns())

    def _columns(self) -> Iterator[tuple[str, str]]:
        rule = self.rule
        if isinstance(rule, RowRule):
            yield from _named(self.table, rule.condition)
        elif isinstance(rule, AddsUp):
            for total in self.totals:
                yield from _named(total.table, total.expression)
        elif isinstance(rule, Unique):
            yield from ((self.table, column) for column in rule.columns)
        else:
            yield self.table, str(self.column)
        if isinstance(rule, References):
            yield rule.table, rule.other
        if isinstance(rule, Unique | References) and rule.where:
            yield self.table, rule.where[0]

    @property
    def tables(self) -> frozenset[str]:
        """The tables that must be there to evaluate it, RUN among them."""
        return _tables_of(self)


@functools.cache
def _tables_of(check: Check) -> frozenset[str]:
    # Each plan of a run asks it of all checks: 7,600 times in a batch.
    of_totals = {total.table for total in check.totals}
    return frozenset({check.table, *of_totals, *(table for table, _ in check.columns)})


class Checks(tuple[Check, ...]):
    """Some checks, of which a step of a graph carries one pickle.

    Beam's pickler calls Python for each object: of all checks it takes 4 ms, for each of the steps
    that carry them, several times a run.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[[bytes], Checks], tuple[bytes]]:
        return _unpickled, (pickle.dumps(tuple(self), pickle.HIGHEST_PROTOCOL),)


def _unpickled(content: bytes) -> Checks:
    return Checks(pickle.loads(content))


def _named(table: str, sql: str) -> Iterator[tuple[str, str]]:
    """(table, column) of what SQL names, which is asked of the rows of a table."""
    return ((name.table or table, name.column) for name in names(sql))


def compile_checks(tables: Iterable[Table], expressions: Mapping[str, str]) -> Checks:
    """All checks of some tables, in the order of tables and columns.

    Args:
        tables: the contracts.
        expressions: what stands for an upper-case word in totals, such as ACTIVE_EVENTS, which
            depends on the run.

    Raises:
        DataError: if a check names a table that is none of these: nobody would evaluate it.
    """
    contracts = list(tables)
    checks = Checks(
        _filled_in(check, expressions) for table in contracts for check in _checks_of(table)
    )
    _refuse_unknown_tables(checks, {RUN, *(table.name for table in contracts)})
    return checks


def _refuse_unknown_tables(checks: Iterable[Check], known: set[str]) -> None:
    for check in checks:
        unknown = sorted(check.tables - known)
        if unknown:
            raise DataError(
                f"the check {check.check_id} can't be evaluated: there is no table {unknown[0]}. "
                f"Correct it where {check.table} is declared"
            )


def _filled_in(check: Check, expressions: Mapping[str, str]) -> Check:
    rule = check.rule
    if not isinstance(rule, AddsUp):
        return check
    left, right = (
        tuple(_total_filled_in(total, expressions) for total in side)
        for side in (rule.left, rule.right)
    )
    return replace(check, rule=replace(rule, left=left, right=right))


def _total_filled_in(total: Total, expressions: Mapping[str, str]) -> Total:
    expression = total.expression
    for word, meaning in expressions.items():
        expression = expression.replace(word, meaning)
    return replace(total, expression=expression)


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
    formula = column.measure.check(column.name) if column.measure else None
    if formula is not None:
        yield _table_check(table, formula)


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
        stands = f"every {rule.column}{_where(rule.where)} stands in {rule.table}.{rule.other}"
        return Check(check_id, table, rule.column, "references", rule.severity, stands, rule)
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
