"""Which of many checks can't be evaluated at all: a statement asks for a table's together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from transforms.contract import Table
from transforms.data_error import DataError
from transforms.quality.arrow_evaluation import ArrowEvaluation
from transforms.quality.compile import Check, ColumnRule, RowRule
from transforms.quality.declaration import AddsUp

# What evaluating raises where a check names what is not there, or is no SQL or pattern.
WRONG: Final = (duckdb.Error, pa.ArrowException, KeyError)


def refuse_wrong(checks: Sequence[Check], tables: Mapping[str, Table]) -> None:
    """Evaluate checks over empty tables.

    Args:
        checks: those to try.
        tables: the contracts of all tables, by name.

    Raises:
        DataError: naming the first check that can't be evaluated, what is wrong, and its SQL.
    """
    reason = _reason(checks, tables)
    if reason is None:
        return
    while len(checks) > 1:
        half = len(checks) // 2
        first = _reason(checks[:half], tables)
        checks = checks[half:] if first is None else checks[:half]
        reason = first or _reason(checks, tables) or reason
    raise DataError(
        f"the check {checks[0].check_id} can't be evaluated: {reason}; it asks {_sql(checks[0])}. "
        f"Correct it where {checks[0].table} is declared"
    )


def _reason(checks: Sequence[Check], tables: Mapping[str, Table]) -> str | None:
    trial = ArrowEvaluation(checks, tables)
    try:
        trial.evaluate({name: table.arrow_schema.empty_table() for name, table in tables.items()})
    except WRONG as error:
        return first_words(error)
    finally:
        trial.close()
    return None


def first_words(error: Exception) -> str:
    """What an error says, without the list of all columns that DuckDB puts behind it."""
    return str(error).strip("'\"").partition("\n")[0].partition("!")[0]


def _sql(check: Check) -> str:
    rule = check.rule
    if isinstance(rule, RowRule | ColumnRule):
        return repr(rule.condition)
    if isinstance(rule, AddsUp):
        sides = (", ".join(total.expression for total in side) for side in (rule.left, rule.right))
        return " = ".join(map(repr, sides))
    return repr(rule)
