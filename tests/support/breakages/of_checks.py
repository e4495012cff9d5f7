"""For each check statements that break its rule, and no other, in a copy of correct tables.

Kinds that are all alike are broken by one pattern; a relation needs statements of its own, which
keep what else is asked of the row. `:gm`, `:rqf` ... stand for statements of `refresh`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.support.breakages.of_cohorts import OF_COHORTS
from tests.support.breakages.of_drivers import OF_DRIVERS
from tests.support.breakages.of_parts import OF_PARTS
from tests.support.breakages.of_periods import OF_PERIODS
from tests.support.breakages.of_users import OF_USERS
from tests.support.breakages.refresh import REFRESH
from tests.support.breakages.statements import EARLY, SILENT, SILENT_OF, again, at
from transforms.contract import FLOAT, STRING
from transforms.marts.registry import TABLES
from transforms.quality.compile import Check, ColumnRule, RowRule
from transforms.quality.declaration import InRange, Matches, OneOf

_OWN: Final[Mapping[str, list[str]]] = {
    **OF_USERS,
    **OF_PERIODS,
    **OF_COHORTS,
    **OF_DRIVERS,
    **OF_PARTS,
}


def breakage(check: Check) -> list[str]:
    """The statements that break a check."""
    found = _OWN.get(check.check_id) or _by_kind(check)
    return [one for text in found for one in REFRESH.get(text, [text])]


def _by_kind(check: Check) -> list[str]:
    table, column = TABLES[check.table], str(check.column)
    if isinstance(check.rule, ColumnRule):
        if check.check_type == "not_null" and (column,) == table.primary_key:
            silent = SILENT_OF.get(column, SILENT)
            return [again(check.table, f"{column} = {silent}", **{column: "NULL"})]
        return [at(check.table, f"{column} IS NOT NULL", f"{column} = {_refused(check.rule)}")]
    if check.check_type == "unique" and len(table.primary_key) > 1:
        return [again(check.table, "TRUE")]
    if check.check_type == "references":
        return [at(check.table, "TRUE", f"{column} = {EARLY}")]
    if check.check_type == "unique":
        (column,) = table.primary_key
        silent = SILENT_OF.get(column, SILENT)
        return [again(check.table, f"{column} = {silent}")]
    assert isinstance(check.rule, RowRule), check.check_id
    column, _, kind = check.check_id.removeprefix(f"{check.table}.").partition(".")
    assert kind == "formula", check.check_id
    declared = next(found for found in table.columns if found.name == column)
    if declared.type is FLOAT:
        # By less than any label's bound can see.
        wanted = f"{column} BETWEEN 1e-3 AND 99.9 AND {column} <> FLOOR({column})"
        return [at(check.table, wanted, f"{column} = {column} * (1 + 1e-9)")]
    if declared.type is STRING:
        labels = next(rule.values for rule in declared.checks if isinstance(rule, OneOf))
        other = f"CASE WHEN {column} = '{labels[0]}' THEN '{labels[1]}' ELSE '{labels[0]}' END"
        return [at(check.table, f"{column} IS NOT NULL", f"{column} = {other}")]
    return [at(check.table, f"{column} BETWEEN 0 AND 99", f"{column} = {column} + 1")]


def _refused(rule: ColumnRule) -> str:
    """A value that a column's check does not take."""
    kept = rule.kept
    if kept is None:
        return "NULL"
    if isinstance(kept, OneOf):
        return "'other'" if isinstance(kept.values[0], str) else "99"
    if isinstance(kept, Matches):
        return "'No!'"
    assert isinstance(kept, InRange)
    if kept.low is None:
        return f"{kept.high} + 1"
    return f"{kept.low} - 1" if isinstance(kept.low, int | float) else "TIMESTAMP '1999-12-31'"
