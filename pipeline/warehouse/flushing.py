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
from transforms.kernels.versions import newest
from transforms.marts import dead_letter_events, fct_events
from transforms.metrics import timed_flush
from transforms.streaming.clock import Clock, microseconds


@dataclass
class StageFlushes(beam.PTransform):
    """(shard, tables of rows) -> StagedFile: a file for each shard and flush.

    Of several versions of a row the newest is staged. Rows that leave a table travel with those
    that come, so that a flush holds both: a row that comes behind the removal of a later one would
    stay for ever.

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
        table = self._options.table
        parts = [TableCoder().decode(data) for data in rows.read()]
        rows.clear()
        for contract in (table, table.removals) if table.primary_key else (table,):
            found = [part for part in parts if tuple(part.column_names) == contract.column_names]
            if found:
                files = StagedFiles(contract, self._options.folder)
                files.write(_newest(table, pa.concat_tables(found)))
                yield from files.close()


def _newest(table: Table, rows: pa.Table) -> pa.Table:
    if not table.primary_key or table.written_at is None:
        return rows
    return newest(rows, table.primary_key, table.written_at)


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
    SEALED = ReadModifyWriteStateSpec("sealed", BytesCoder())
    SEAL = TimerSpec("seal", TimeDomain.REAL_TIME)
    COMMIT = TimerSpec("commit", TimeDomain.REAL_TIME)

    def __init__(self, options: CommitFlushes):
        self._options = options

    def process(
        self,
        keyed: tuple[int, tuple[int, bytes]],
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        seal: RuntimeTimer = beam.DoFn.TimerParam(SEAL),
    ) -> None:
        if not any(True for _ in parts.read()):
            seal.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))
        parts.add(keyed[1])

    @on_timer(SEAL)
    def seal_flush(
        self,
        parts: AccumulatingRuntimeState = beam.DoFn.StateParam(PARTS),
        counts: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(COUNTS),
        total: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SUM),
        number: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(NUMBER),
        sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SEALED),
        seal: RuntimeTimer = beam.DoFn.TimerParam(SEAL),
        commit: RuntimeTimer = beam.DoFn.TimerParam(COMMIT),
    ) -> None:
        """Make a flush of what has come.

        It is kept before it is committed, so that a commit that is tried again finds the same one
        under its number, whatever has come meanwhile.
        """
        now = Timestamp.of(self._options.clock())
        by_kind: dict[int, list[bytes]] = {_FILE: [], _SUM: [], _COUNTS: []}
        for kind, data in parts.read():
            by_kind[kind].append(data)
        if not any(by_kind.values()):  # A timer may fire twice.
            return
        if sealed.read():  # The flush before is not committed yet.
            seal.set(now + self._options.flush_seconds)
            return
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
        files += self._stage_marts(before, after)
        sealed.write(json.dumps([flush, sorted(files), counted.to_json()]).encode())
        commit.set(now)

    @on_timer(COMMIT)
    def commit_flush(
        self, sealed: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(SEALED)
    ) -> Iterator[dict[str, Any]]:
        """Merge the sealed flush."""
        kept = sealed.read()
        if not kept:
            return
        flush, files, counts = json.loads(kept)
        counted = RunCounts.from_json(counts)
        rows = self._merge(flush, [StagedFile(*file) for file in files])
        sealed.clear()
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
        changes = _changes(options.tables, files)
        if flush > 1:
            changes = [change for change in changes if change.files or change.removed]
        if changes:
            with timed_flush():
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
