"""Rows that never end -> staged files, one for each shard and flush."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import apache_beam as beam
import pyarrow as pa
from apache_beam import pvalue
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    AccumulatingRuntimeState,
    BagStateSpec,
    RuntimeTimer,
    TimerSpec,
    on_timer,
)
from apache_beam.utils.timestamp import Timestamp

from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.check_rows import CHECKED
from transforms.coders import TableCoder
from transforms.contract import Table
from transforms.kernels.versions import newest
from transforms.quality.arrow_checks import ArrowChecks
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.planning import plan_of_flush
from transforms.streaming.clock import Clock

FILES: Final = "files"


@dataclass
class StageFlushes(beam.PTransform):
    """(shard, tables of rows) -> StagedFile: a file for each shard and flush.

    A further output, CHECKED: CheckCounts of what the rows of a file answer by themselves.

    Of several versions of a row the newest is staged. Rows that leave a table travel with those
    that come, so that a flush holds both: a row that comes behind the removal of a later one would
    stay for ever.

    Attributes:
        table: the contract of the rows; those of `table.deletes` are known by their columns.
        folder: the staging folder, local or gs://.
        layout: how the home wants its files.
        flush_seconds: how long rows are gathered.
        clock: processing time.
        checks: all checks; none for no CHECKED.
    """

    table: Table
    folder: str
    layout: FileLayout
    flush_seconds: float
    clock: Clock
    checks: tuple[Check, ...] = ()

    def expand(self, rows: beam.PCollection) -> pvalue.DoOutputsTuple:
        write = beam.ParDo(_Stage(self)).with_output_types(StagedFile, **{CHECKED: CheckCounts})
        return rows | "Write Parquet" >> write.with_outputs(CHECKED, main=FILES)


class _Stage(beam.DoFn):
    ROWS = BagStateSpec("rows", BytesCoder())
    FLUSH = TimerSpec("flush", TimeDomain.REAL_TIME)

    def __init__(self, options: StageFlushes):
        self._options = options
        self._checks = plan_of_flush(options.checks, options.table.name)

    def setup(self) -> None:
        self._over = ArrowChecks(self._checks, {self._options.table.name: self._options.table})

    def teardown(self) -> None:
        self._over.close()

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
    ) -> Iterator[StagedFile | pvalue.TaggedOutput]:
        """What has come since the last time, as Parquet."""
        table = self._options.table
        parts = [TableCoder().decode(data) for data in rows.read()]
        rows.clear()
        for contract in (table, table.deletes) if table.primary_key else (table,):
            found = [part for part in parts if tuple(part.column_names) == contract.column_names]
            if found:
                files = StagedFiles(contract, self._options.folder, self._options.layout)
                latest = _newest(table, pa.concat_tables(found))
                files.write(latest)
                yield from files.close()
                if contract is table and self._checks:
                    check_counts = self._over.evaluate({table.name: latest})
                    yield pvalue.TaggedOutput(CHECKED, check_counts)


def _newest(table: Table, rows: pa.Table) -> pa.Table:
    if not table.primary_key or table.written_at is None:
        return rows
    return newest(rows, table.primary_key, table.written_at)
