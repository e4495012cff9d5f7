"""Tables of rows -> staged Parquet files, one for each bundle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.contract import Table
from transforms.prefetch import Prefetcher


@dataclass
class StageRows(beam.PTransform):
    """Tables of rows -> StagedFile: one Parquet file for each bundle, and block of its layout.

    Attributes:
        table: the contract of the rows.
        folder: the staging folder, local or gs://.
        layout: how the home wants its files.
    """

    table: Table
    folder: str
    layout: FileLayout

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "Write Parquet" >> beam.ParDo(_WriteParquet(self)).with_output_types(
            StagedFile
        )


@dataclass
class StageTables(beam.PTransform):
    """(name of a contract, table of its rows) -> StagedFile: as StageRows, of several tables.

    Attributes:
        contracts: those of the rows, by name.
        folder, layout: as in `StageRows`.
    """

    contracts: Mapping[str, Table]
    folder: str
    layout: FileLayout

    def expand(self, named: beam.PCollection) -> beam.PCollection:
        return named | "Write Parquet" >> beam.ParDo(_WriteTables(self)).with_output_types(
            StagedFile
        )


class _WriteTables(beam.DoFn):
    """Writes in a thread, as `_WriteParquet` does."""

    def __init__(self, options: StageTables):
        self._options = options

    def start_bundle(self) -> None:
        self._files: dict[str, StagedFiles] = {}
        self._prefetcher = Prefetcher(self._write)

    def process(self, named: tuple[str, pa.Table]) -> None:
        if named[1].num_rows:
            deque(self._prefetcher.put(named), maxlen=0)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        deque(self._prefetcher.finish(), maxlen=0)
        for files in self._files.values():
            yield from map(GlobalWindows.windowed_value, files.close())

    def _write(self, named: tuple[str, pa.Table]) -> None:
        name, rows = named
        options = self._options
        if name not in self._files:
            contract = options.contracts[name]
            self._files[name] = StagedFiles(contract, options.folder, options.layout)
        self._files[name].write(rows)


class _WriteParquet(beam.DoFn):
    """Writes in a thread, so that the next rows are made while these are encoded."""

    def __init__(self, options: StageRows):
        self._options = options

    def start_bundle(self) -> None:
        options = self._options
        self._files = StagedFiles(options.table, options.folder, options.layout)
        self._prefetcher = Prefetcher(self._files.write)

    def process(self, rows: pa.Table) -> None:
        if rows.num_rows:
            deque(self._prefetcher.put(rows), maxlen=0)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        deque(self._prefetcher.finish(), maxlen=0)
        for staged in self._files.close():
            yield GlobalWindows.windowed_value(staged)
