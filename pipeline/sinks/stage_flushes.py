"""Rows that never end -> staged files, some for each shard and flush."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.coders import BytesCoder, StrUtf8Coder, TupleCoder, VarIntCoder
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

from pipeline.sinks.flush_rows import rows_to_stage
from pipeline.sinks.staged_steps import StagedStep
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.check_rows import CHECKED
from transforms.coders import TableCoder
from transforms.contract import Table
from transforms.marts import fct_events
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.planning import plan_of_flush
from transforms.streaming.clock import Clock

FILES: Final = "files"

# Far longer than an engine keeps what one bundle gives from who is to get it.
_OVERTAKING_SECONDS: Final = 3_600


@dataclass
class StageFlushes(beam.PTransform):
    """(shard, (name of a contract, table of rows)) -> StagedStep: the files of a shard and flush.

    A further output, CHECKED: CheckCounts of what the rows of files answer by themselves.

    Of several versions of a row the newest is staged. All tables of a shard are staged together, so
    that a flush holds what belongs together: a row and its removal, an event and its user. Where
    merges come less often, an event is there before its user's rows.

    Attributes:
        tables: the contracts of the tables; of rows that are merged also their `deletes` and
            `appended` come.
        folder: the staging folder, local or gs://.
        layout: how the home wants its files.
        flush_seconds: how long rows are gathered.
        clock: processing time.
        checks: all checks; none for no CHECKED.
        appends: see `StreamJob`.
        merge_every: rows that are merged are staged each so many times.
    """

    tables: Sequence[Table]
    folder: str
    layout: FileLayout
    flush_seconds: float
    clock: Clock
    checks: tuple[Check, ...] = ()
    appends: bool = True
    merge_every: int = 1

    def expand(self, rows: beam.PCollection) -> pvalue.DoOutputsTuple:
        write = beam.ParDo(_Stage(self)).with_output_types(StagedStep, **{CHECKED: CheckCounts})
        return rows | "Write Parquet" >> write.with_outputs(CHECKED, main=FILES)


class _Stage(beam.DoFn):
    # Rows that are appended, and those that are merged: (name of a contract, rows).
    NEW = BagStateSpec("new", TupleCoder([StrUtf8Coder(), BytesCoder()]))
    CHANGED = BagStateSpec("changed", TupleCoder([StrUtf8Coder(), BytesCoder()]))
    # Keys that were merged and were not new in the same step, and when: no engine promises that
    # what two bundles give a shard comes in order.
    MERGED = BagStateSpec("merged", TupleCoder([VarIntCoder(), BytesCoder()]))
    STEPS = ReadModifyWriteStateSpec("steps", VarIntCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: StageFlushes):
        self._options = options
        self._lane = "+".join(table.name for table in options.tables)
        self._appended = {
            contract.name
            for table in options.tables
            for contract in (table.appended, *([] if table.primary_key else [table]))
        }

        # Of other tables all rows are merged.
        self._overtaking = {fct_events.TABLE.name}

    def setup(self) -> None:
        # Made when there are rows to check: some runners set a step up for each bundle.
        self._over: dict[str, ArrowChecks] = {}

    def teardown(self) -> None:
        for checks in self._over.values():
            checks.close()

    def process(
        self,
        keyed: tuple[int, tuple[str, pa.Table]],
        new: AccumulatingRuntimeState = beam.DoFn.StateParam(NEW),
        changed: AccumulatingRuntimeState = beam.DoFn.StateParam(CHANGED),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> None:
        if _is_empty(new) and _is_empty(changed):
            self._flush_later(flush)
        name, table = keyed[1]
        (new if name in self._appended else changed).add((name, TableCoder().encode(table)))

    @on_timer(FLUSH)
    def write(
        self,
        shard: int = beam.DoFn.KeyParam,
        new: AccumulatingRuntimeState = beam.DoFn.StateParam(NEW),
        changed: AccumulatingRuntimeState = beam.DoFn.StateParam(CHANGED),
        merged: AccumulatingRuntimeState = beam.DoFn.StateParam(MERGED),
        steps: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(STEPS),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> Iterator[StagedStep | pvalue.TaggedOutput]:
        """Stage what has come since the last time, as Parquet: new rows each time, those that are
        merged every `merge_every` times."""
        if _is_empty(new) and _is_empty(changed):  # A timer may fire twice.
            return
        number = (steps.read() or 0) + 1
        steps.write(number)
        taken = [new]
        if number % self._options.merge_every == 0:
            taken.append(changed)
        elif not _is_empty(changed):
            self._flush_later(flush)
        parts = [(name, TableCoder().decode(data)) for bag in taken for name, data in bag.read()]
        for bag in taken:
            bag.clear()
        files: list[StagedFile] = []
        now = round(self._options.clock())
        known = _keys_since(merged, now - _OVERTAKING_SECONDS)
        for table in self._options.tables:
            staged = list(rows_to_stage(table, parts, self._options.appends, known))
            for contract, its_rows in staged:
                files += self._files(contract, its_rows)
                if contract is table and table.name in self._overtaking:
                    (key,) = table.primary_key
                    merged.add((now, "\n".join(its_rows[key].to_pylist()).encode()))
            yield from self._checked(table, staged)
        yield StagedStep(f"{self._lane} {shard}", number, files)

    def _flush_later(self, flush: RuntimeTimer) -> None:
        flush.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))

    def _files(self, contract: Table, rows: pa.Table) -> Iterator[StagedFile]:
        files = StagedFiles(contract, self._options.folder, self._options.layout)
        files.write(rows)
        yield from files.close()

    def _checked(
        self, table: Table, staged: Sequence[tuple[Table, pa.Table]]
    ) -> Iterator[pvalue.TaggedOutput]:
        """What the rows of a table come to by themselves."""
        checks = plan_of_flush(self._options.checks, table.name)
        present = [rows for contract, rows in staged if contract in (table, table.appended)]
        if not checks or not present:
            return
        if table.name not in self._over:
            self._over[table.name] = ArrowChecks(checks, {table.name: table})
        rows = pa.concat_tables(present)
        yield pvalue.TaggedOutput(CHECKED, self._over[table.name].evaluate({table.name: rows}))


def _keys_since(merged: AccumulatingRuntimeState, since: int) -> pa.Array:
    """The keys that were merged since a moment; the others are let go of."""
    found = list(merged.read())
    kept = [(at, keys) for at, keys in found if at >= since]
    if len(kept) < len(found):
        merged.clear()
        for part in kept:
            merged.add(part)
    return pa.array([key for _, keys in kept for key in keys.decode().split("\n")], pa.string())


def _is_empty(bag: AccumulatingRuntimeState) -> bool:
    return not any(True for _ in bag.read())
