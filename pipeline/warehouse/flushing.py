"""Rows that never end -> staged files -> a commit for each flush."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import BytesCoder, TupleCoder, VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    BagStateSpec,
    ReadModifyWriteRuntimeState,
    ReadModifyWriteStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, How, StagedFile
from pipeline.warehouse.staging import StagedFiles
from transforms.coders import TableCoder
from transforms.contract import Table
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events, fct_events
from transforms.streaming.clock import Clock, microseconds


@dataclass
class StageFlushes(beam.PTransform):
    """(shard, tables of rows) -> StagedFile: a file for each shard and flush.

    Rows that leave a table travel with those that come, so that a flush holds both: a row that
    comes behind the removal of a later one would stay for ever.

    Attributes:
        table: the contract of the rows; those of `table.removals` are told by their columns.
        folder: the staging folder, local or gs://.
        flush_seconds: how long rows are gathered.
        clock: processing time.
    """

    table: Table
    folder: str
    flush_seconds: float
    clock: Clock

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "Write Parquet" >> beam.ParDo(_Stage(self)).with_output_types(StagedFile)


class _Stage(beam.DoFn):
    ROWS = BagStateSpec("rows", BytesCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: StageFlushes):
        self._options = options

    def process(
        self,
        keyed: tuple[int, pa.Table],
        rows: AccumulatingRuntimeState = beam.DoFn.StateParam(ROWS),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> None:
        if not any(True for _ in rows.read()):
            flush.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))
        rows.add(TableCoder().encode(keyed[1]))

    @on_timer(FLUSH)
    def write(
        self, rows: AccumulatingRuntimeState = beam.DoFn.StateParam(ROWS)
    ) -> Iterator[StagedFile]:
        """What has come since the last time, as Parquet."""
        table, folder = self._options.table, self._options.folder
        removals = table.removals
        coming, leaving = StagedFiles(table, folder), StagedFiles(removals, folder)
        for data in rows.read():
            part = TableCoder().decode(data)
            leaves = tuple(part.column_names) == removals.column_names
            (leaving if leaves else coming).write(part)
        rows.clear()
        yield from coming.close()
        yield from leaving.close()


# By the names of tables, and of their removals, the rows that another sum of counters changes:
# before, after, and the moment of writing in microseconds since 1970-01-01.
Finish = Callable[[Counters, Counters, int], Mapping[str, pa.Table]]


@dataclass
class CommitFlushes(beam.PTransform):
    """(staged files, Counters, RunCounts) -> for each flush a report, a JSON object.

    The last level of the sums is here, so that a flush holds each row of a mart once.

    Attributes:
        warehouse: where to.
        tables: the contracts of all tables; those with a primary key are merged, the others
            appended to.
        finish: what becomes of the sum of counters.
        folder: the staging folder.
        run: the run's id; a flush's is that and its number.
        flush_seconds: how long a flush is gathered.
        clock: processing time.
    """

    warehouse: Warehouse
    tables: tuple[Table, ...]
    finish: Finish
    folder: str
    run: str
    flush_seconds: float
    clock: Clock

    def expand(self, inputs: tuple[beam.PCollection, ...]) -> beam.PCollection:
        staged, counters, counts = inputs
        parts = (
            staged | "Files" >> _Keyed(_FILE, _file_to_bytes),
            counters | "Sums" >> _Keyed(_SUM, Counters.to_bytes),
            counts | "Counts" >> _Keyed(_COUNTS, RunCounts.to_bytes),
        )
        return (
            parts
            | "All parts" >> beam.Flatten()
            | "Merge" >> beam.ParDo(_Commit(self)).with_output_types(dict[str, Any])
        )


_FILE, _SUM, _COUNTS = range(3)


@dataclass
class _Keyed(beam.PTransform):
    """Elements -> (0, (kind, encoded element)): one key commits them all."""

    kind: int
    encode: Callable[[Any], bytes]

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        return elements | "To one key" >> beam.Map(
            lambda element: (0, (self.kind, self.encode(element)))
        ).with_output_types(tuple[int, tuple[int, bytes]])


def _file_to_bytes(file: StagedFile) -> bytes:
    return json.dumps(file).encode()


class _Commit(beam.DoFn):
    PARTS = BagStateSpec("parts", TupleCoder([VarIntCoder(), BytesCoder()]))
    COUNTS = ReadModifyWriteStateSpec("counts", BytesCoder())
    SUM = ReadModifyWriteStateSpec("sum", BytesCoder())
    NUMBER = ReadModifyWriteStateSpec("number", VarIntCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: CommitFlushes):
        self._options = options

    def process(
        self,
        keyed: tuple[int, tuple[int, bytes]],
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> None:
        if not any(True for _ in parts.read()):
            flush.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))
        parts.add(keyed[1])

    @on_timer(FLUSH)
    def commit(
        self,
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        counts: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(COUNTS),
        total: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SUM),
        number: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(NUMBER),
    ) -> Iterator[dict[str, Any]]:
        """Merge what has come; tried again after a failure, it finds the same flush."""
        by_kind: dict[int, list[bytes]] = {_FILE: [], _SUM: [], _COUNTS: []}
        for kind, data in parts.read():
            by_kind[kind].append(data)
        parts.clear()
        flush = (number.read() or 0) + 1
        number.write(flush)
        known = total.read()
        before = Counters.from_bytes(known) if known else Counters.empty()
        after = Counters.total([before, *map(Counters.from_bytes, by_kind[_SUM])])
        total.write(after.to_bytes())
        sums = [counts.read()] if flush > 1 else []
        counted = RunCounts.total(map(RunCounts.from_bytes, [*sums, *by_kind[_COUNTS]]))
        counts.write(counted.to_bytes())
        files = [StagedFile(*json.loads(data)) for data in by_kind[_FILE]]
        rows = self._merge(flush, [*files, *self._stage_marts(before, after)])
        yield {
            "flush": flush,
            "rows": rows,
            "counts": counted.to_json(),
            "pending": self._pending(counted),
        }

    def _stage_marts(self, before: Counters, after: Counters) -> Iterator[StagedFile]:
        options = self._options
        tables = {table.name: table for table in options.tables}
        tables.update({table.removals.name: table.removals for table in options.tables})
        changed = options.finish(before, after, microseconds(options.clock))
        for name, rows in changed.items():
            files = StagedFiles(tables[name], options.folder)
            files.write(rows)
            yield from files.close()

    def _pending(self, counted: RunCounts) -> int:
        """How many messages are read that are no duplicates and not in the tables yet.

        Less than 0 where rows have come before their counts.
        """
        tables = {table.name: table for table in self._options.tables}
        stored = [
            self._options.warehouse.count(tables[name]) or 0
            for name in (fct_events.TABLE.name, dead_letter_events.TABLE.name)
        ]
        return counted.input_rows - counted.duplicates - sum(stored)

    def _merge(self, flush: int, files: Sequence[StagedFile]) -> dict[str, int]:
        options = self._options
        changes = _changes(options.tables, sorted(files))
        if flush > 1:
            changes = [change for change in changes if change.files or change.removed]
        if changes:
            options.warehouse.commit(changes, f"{options.run}_{flush}")
        return {change.table.name: change.rows for change in changes}


def _changes(tables: Sequence[Table], staged: Sequence[StagedFile]) -> list[Change]:
    """A change for each table; the first commit creates also those that nothing is staged for."""
    by_table: dict[str, list[StagedFile]] = {}
    for file in staged:
        by_table.setdefault(file.table, []).append(file)
    return [
        Change(
            table,
            How.MERGE if table.primary_key else How.APPEND,
            by_table.get(table.name, []),
            by_table.get(table.removals.name, []),
        )
        for table in tables
    ]
