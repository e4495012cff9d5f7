"""Checks of tables that lie in a warehouse, which does the work: only counts and keys come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from transforms.contract import Table
from transforms.quality.check_counts import CheckCounts, sample_of
from transforms.quality.compile import Check
from transforms.quality.planning import plan_in_warehouse
from transforms.quality.results import Result, conclude
from transforms.quality.sql import Source, key_samples, keys_statement, read_keys

Row: TypeAlias = Mapping[str, Any]
# The rows of each of some statements.
Ask: TypeAlias = Callable[[Sequence[str]], Sequence[Iterable[Row]]]


def evaluate(
    checks: Sequence[Check], tables: Mapping[str, Table], source: Source, ask: Ask
) -> list[Result]:
    """The results of the checks that the tables answer.

    A statement reads each table once, one more all keys, and only where something fails is there
    one for each failed check.

    Args:
        checks: those to evaluate; what the tables can't answer is left out.
        tables: the contracts of the tables that are there, by name.
        source: a table as SQL that may follow FROM.
        ask: gives the rows of statements of the warehouse's SQL.
    """
    _, keys, found = plan_in_warehouse(checks, tables)
    statements = [scan.statement(source) for scan in found]
    if keys:
        statements.append(keys_statement(keys, source))
    answers = ask(statements)
    parts = [scan.read(next(iter(rows))) for scan, rows in zip(found, answers, strict=False)]
    if keys:
        parts.append(read_keys(keys, answers[-1]))
    counts = CheckCounts.total(parts)
    failing = {check_id for check_id, count in counts.checks.items() if count.failing}
    wanted = {
        check.check_id: scan.samples(check, source)
        for scan in found
        for check in scan.checks
        if check.check_id in failing
    }
    wanted |= {c.check_id: key_samples(c, source) for c in keys if c.check_id in failing}
    shown = {
        check_id: [sample_of(row) for row in rows]
        for check_id, rows in zip(wanted, ask([*wanted.values()]), strict=True)
    }
    return conclude(checks, counts.with_samples(shown))
