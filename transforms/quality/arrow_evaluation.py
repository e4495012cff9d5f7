"""Checks over Arrow tables in this process.

Conditions and totals go through DuckDB, by the statement that a warehouse gets too, but for the
row before, which is the neighbour here; keys, which DuckDB would have to group, are compared by
`transforms.kernels.keys`.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract import Table
from transforms.google_sql import MACROS
from transforms.kernels.keys import missing, plain_strings, repeated, with_previous
from transforms.quality.check_counts import MAX_SAMPLES, CheckCount, CheckCounts, sample_of
from transforms.quality.compile import Check, ColumnRule
from transforms.quality.declaration import References, Unique
from transforms.quality.planning import Plan, plan_in_memory
from transforms.quality.prepared import PreparedStatements
from transforms.quality.refused_values import refused
from transforms.quality.sql import Scan, Source, sample_columns

_DATABASE = Lock()


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """A database in memory, which stays empty: to open one takes 15 ms, and a worker makes an
    evaluation for each part of its work."""
    return duckdb.connect(config={"threads": 1})


class ArrowEvaluation:
    """Evaluates checks over Arrow tables, in one thread at a time; raises what goes wrong as it is.

    Args:
        checks: those to evaluate.
        tables: the contracts of all tables, by name.
    """

    def __init__(self, checks: Sequence[Check], tables: Mapping[str, Table]):
        self._checks, self._tables = checks, tables
        self._plans: dict[tuple[str, ...], _Planned] = {}
        self._statement = Lock()

    @functools.cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """With views, macros and statements of its own, in the one database of this process."""
        with _DATABASE:
            connection = _database().cursor()
        for macro in MACROS:
            connection.execute(macro)
        return connection

    @functools.cached_property
    def _prepared(self) -> PreparedStatements:
        return PreparedStatements(self._connection)

    def close(self) -> None:
        """Let go of what the evaluation needs; one that is under way in another thread is ended.

        A run that fails is torn down while threads still check: DuckDB refuses to close a
        connection that is busy, and that error would hide the one that the run failed of.
        """
        if "_connection" not in vars(self):
            return
        self._connection.interrupt()
        with self._statement:
            self._connection.close()

    def evaluate(self, rows: Mapping[str, pa.Table]) -> CheckCounts:
        """What the checks and totals that these tables answer come to.

        Args:
            rows: tables by name, with the columns of their contracts, strings dictionary-encoded
                or not; of tables that are cut into parts those rows that belong together.
        """
        return CheckCounts.total([self.look(rows), self.scan(rows, rows)])

    def look(self, rows: Mapping[str, pa.Table]) -> CheckCounts:
        """The part of `evaluate` that needs no statement: columns by themselves, and keys."""
        plan, _ = self._plan(tuple(rows))
        columns = {
            check.check_id: _column_count(check, self._tables, rows) for check in plan.columns
        }
        keys = {check.check_id: _keys_count(check, rows) for check in plan.keys}
        return CheckCounts.total([CheckCounts(columns), CheckCounts(keys)])

    def scan(self, rows: Mapping[str, pa.Table], of: Container[str]) -> CheckCounts:
        """The part of `evaluate` that needs statements: conditions and totals of some tables.

        Planning a statement takes 3 to 17 ms, however few the rows are; it is planned once.

        Args:
            rows: as in `evaluate`.
            of: the names of the tables whose conditions and totals are wanted.
        """
        plan, statements = self._plan(tuple(rows))
        return CheckCounts.total(
            self._scan(scan, plain_and_whole, rows)
            for scan, plain_and_whole in zip(plan.scans, statements, strict=True)
            if scan.table.name in of
        )

    def _plan(self, present: tuple[str, ...]) -> _Planned:
        if present not in self._plans:
            plan = plan_in_memory(self._checks, self._tables, present)
            statements = [
                (scan.plain_statement(source), scan.statement(source))
                for scan, source in zip(plan.scans, map(_source, plan.scans), strict=True)
            ]
            self._plans[present] = _Planned(plan, statements)
        return self._plans[present]

    def _scan(
        self, scan: Scan, statements: tuple[str, str], rows: Mapping[str, pa.Table]
    ) -> CheckCounts:
        order, looked_at = scan.table.order, rows[scan.table.name]
        needed = {other: rows[other] for other in scan.joined}
        needed[_source(scan)(scan.table.name)] = with_previous(
            looked_at, order.within, order.by, scan.previous
        )
        with self._statement:
            return self._counted(scan, statements, needed)

    def _counted(
        self, scan: Scan, statements: tuple[str, str], needed: Mapping[str, pa.Table]
    ) -> CheckCounts:
        prepared, source, (plain, whole) = self._prepared, _source(scan), statements
        with prepared.over(needed):
            row = prepared.answer(plain)
            counts = scan.read(row if scan.is_plain(row) else prepared.answer(whole))
            samples = {
                check.check_id: list(map(sample_of, prepared.rows(scan.samples(check, source))))
                for check in scan.checks
                if counts.checks[check.check_id].failing
            }
        return counts.with_samples(samples)


class _Planned(NamedTuple):
    plan: Plan
    # Of each scan: for rows of which no condition fails, and for those of which one does.
    statements: list[tuple[str, str]]


def _source(scan: Scan) -> Source:
    """What statements call the tables: one with the rows before has more columns than where it is
    joined, and each name stands for one schema."""
    ordered = {scan.table.name: f"{scan.table.name}_in_order"} if scan.previous else {}
    return lambda name: ordered.get(name, name)


def _column_count(
    check: Check, tables: Mapping[str, Table], rows: Mapping[str, pa.Table]
) -> CheckCount:
    rule, table = check.rule, rows[check.table]
    assert isinstance(rule, ColumnRule)
    assert check.column is not None
    column = table[check.column]
    checked = len(column) - (0 if rule.kept is None else column.null_count)
    bad = refused(column, rule.kept)
    if bad is None:
        return CheckCount(0, checked)
    failing = table.select(sample_columns(check, tables[check.table])).filter(pa.array(bad))
    return CheckCount(failing.num_rows, checked, _samples(failing))


def _keys_count(check: Check, rows: Mapping[str, pa.Table]) -> CheckCount:
    rule, table = check.rule, rows[check.table]
    assert isinstance(rule, Unique | References)
    keys = table.select(rule.columns if isinstance(rule, Unique) else [rule.column])
    if rule.where:
        keys = keys.filter(pc.equal(table[rule.where[0]], rule.where[1]))
    if isinstance(rule, Unique):
        found = repeated(keys)
    else:
        found = missing(keys, rows[rule.table][rule.other])
    checked = keys.num_rows
    if any(column.null_count for column in keys.columns):
        checked = keys.drop_null().num_rows
    failing = pc.sum(found["n"]).as_py() or 0
    return CheckCount(failing, checked, _samples(found.select(keys.column_names)))


def _samples(failing: pa.Table) -> tuple[str, ...]:
    if not failing.num_rows:
        return ()
    order = [(name, "ascending") for name in failing.column_names]
    plain = pa.table({name: plain_strings(failing[name]) for name in failing.column_names})
    first = plain.sort_by(order).slice(0, MAX_SAMPLES)
    return tuple(sample_of(row) for row in first.to_pylist())
