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
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.planning import plan_of_flush
from transforms.streaming.clock import Clock

FILES: Final = "files"


@dataclass
class StageFlushes(beam.PTransform):
    """(shard, (name of a contract, table of rows)) -> StagedStep: the files of a shard and flush.

    A further output, CHECKED: CheckCounts of what the rows of files answer by themselves.

    Of several versions of a row the newest is staged. All tables of a shard are staged together, so
    that a flush holds what belongs together: a row and its removal, an event and its user.

    Attributes:
        tables: the contracts of the tables; of rows that are merged also their `deletes` and
            `appended` come.
        folder: the staging folder, local or gs://.
        layout: how the home wants its files.
        flush_seconds: how long rows are gathered.
        clock: processing time.
        checks: all checks; none for no CHECKED.
    """

    tables: Sequence[Table]
    folder: str
    layout: FileLayout
    flush_seconds: float
    clock: Clock
    checks: tuple[Check, ...] = ()

    def expand(self, rows: beam.PCollection) -> pvalue.DoOutputsTuple:
        write = beam.ParDo(_Stage(self)).with_output_types(StagedStep, **{CHECKED: CheckCounts})
        return rows | "Write Parquet" >> write.with_outputs(CHECKED, main=FILES)


class _Stage(beam.DoFn):
    ROWS = BagStateSpec("rows", TupleCoder([StrUtf8Coder(), BytesCoder()]))
    STEPS = ReadModifyWriteStateSpec("steps", VarIntCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: StageFlushes):
        self._options = options
        self._lane = "+".join(table.name for table in options.tables)

    def setup(self) -> None:
        # Made when there are rows to check: some runners set a step up for each bundle.
        self._over: dict[str, ArrowChecks] = {}

    def teardown(self) -> None:
        for checks in self._over.values():
            checks.close()

    def process(
        self,
        keyed: tuple[int, tuple[str, pa.Table]],
        rows: AccumulatingRuntimeState = beam.DoFn.StateParam(ROWS),
        flush: RuntimeTimer = beam.DoFn.TimerParam(FLUSH),
    ) -> None:
        if not any(True for _ in rows.read()):
            flush.set(Timestamp.of(self._options.clock() + self._options.flush_seconds))
        name, table = keyed[1]
        rows.add((name, TableCoder().encode(table)))

    @on_timer(FLUSH)
    def write(
        self,
        shard: int = beam.DoFn.KeyParam,
        rows: AccumulatingRuntimeState = beam.DoFn.StateParam(ROWS),
        steps: ReadModifyWriteRuntimeState = beam.DoFn.StateParam(STEPS),
    ) -> Iterator[StagedStep | pvalue.TaggedOutput]:
        """Stage what has come since the last time, as Parquet."""
        parts = [(name, TableCoder().decode(data)) for name, data in rows.read()]
        rows.clear()
        if not parts:  # A timer may fire twice.
            return
        files: list[StagedFile] = []
        for table in self._options.tables:
            staged = list(rows_to_stage(table, parts))
            for contract, its_rows in staged:
                files += self._files(contract, its_rows)
            yield from self._checked(table, staged)
        number = (steps.read() or 0) + 1
        steps.write(number)
        yield StagedStep(f"{self._lane} {shard}", number, files)

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
