"""Tables of rows -> staged Parquet files -> the warehouse."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam import pvalue
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.errors import RunError
from pipeline.warehouse import Warehouse
from transforms.ahead import WorkAhead
from transforms.contract import TIMESTAMP, Table
from transforms.kernels.run_counts import RunCounts


class StagedFile(NamedTuple):
    """A finished Parquet file of some rows of a table."""

    table: str
    path: str
    rows: int


beam.coders.registry.register_coder(StagedFile, beam.coders.RowCoder)


@dataclass
class StageRows(beam.PTransform):
    """Tables of rows -> StagedFile: one Parquet file for each bundle.

    Attributes:
        table: the contract of the rows.
        folder: the staging folder, local or gs://.
    """

    table: Table
    folder: str

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        return rows | "Write Parquet" >> beam.ParDo(
            _WriteParquet(self.table, self.folder)
        ).with_output_types(StagedFile)


class _WriteParquet(beam.DoFn):
    """Writes in a thread, so that the next rows are made while these are encoded."""

    def __init__(self, table: Table, folder: str):
        self._table, self._folder = table, folder

    def start_bundle(self) -> None:
        self._file = _ParquetFile(self._table, self._folder)
        self._ahead = WorkAhead(self._file.write)

    def process(self, rows: pa.Table) -> None:
        if rows.num_rows:
            deque(self._ahead.put(rows), maxlen=0)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        deque(self._ahead.finish(), maxlen=0)
        staged = self._file.close()
        if staged is not None:
            yield GlobalWindows.windowed_value(staged)


class _ParquetFile:
    """A file that comes into being with its first rows."""

    def __init__(self, table: Table, folder: str):
        self._table = table
        # A name of its own for each attempt: a retried bundle never meets its first half.
        self._path = FileSystems.join(folder, f"{table.name}-{uuid.uuid4().hex}.parquet")
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        try:
            self._append(rows)
        except OSError as error:
            raise RunError(
                f"can't stage rows of {self._table.name} in {self._path} ({error}): make room or "
                "stage elsewhere with --temp_location, and run again"
            ) from error

    def _append(self, rows: pa.Table) -> None:
        if self._writer is None:
            self._stream: IO[bytes] = FileSystems.create(
                self._path, compression_type=CompressionTypes.UNCOMPRESSED
            )
            self._writer = pq.ParquetWriter(self._stream, rows.schema, **_parquet(self._table))
        self._writer.write_table(rows)
        self._rows += rows.num_rows

    def close(self) -> StagedFile | None:
        if self._writer is None:
            return None
        self._writer.close()
        self._stream.close()
        return StagedFile(self._table.name, self._path, self._rows)


def _parquet(table: Table) -> dict[str, Any]:
    """How Parquet is written: with dictionaries, beside which compression saves 2 % of the bytes
    for 40 % of the time; without them where hardly a value comes twice."""
    unique = {
        column.name
        for column in table.columns
        if column.type == TIMESTAMP or (column.name,) == table.primary_key
    }
    return {
        "compression": "none",
        "use_dictionary": [
            name for name in table.column_names if name not in unique - {table.written_at}
        ],
        # Beyond the default of 1 MiB the session ids of a shard fall back to plain strings, which
        # doubles the time to load them.
        "dictionary_pagesize_limit": 32 << 20,
        "write_statistics": False,
        "store_schema": False,
    }


@dataclass
class Commit(beam.PTransform):
    """(staged files, run counts) -> the run's report, a JSON object, once the tables are replaced.

    Attributes:
        warehouse: where to.
        tables: the contracts of all tables that the run replaces.
        max_dead_letter_pct: above this share of rejected input rows nothing is committed.
        report_path: where the report is written, local or gs://.
        started_at: when the run began, in UTC without a zone.
    """

    warehouse: Warehouse
    tables: tuple[Table, ...]
    max_dead_letter_pct: float
    report_path: str
    started_at: datetime

    def expand(self, inputs: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        staged, counts = inputs
        return (
            staged
            | "Gather files" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Replace tables" >> beam.Map(self.commit, pvalue.AsSingleton(counts))
            | "Report" >> beam.Map(_write_json, self.report_path)
        )

    def commit(self, staged: Sequence[StagedFile], counts: RunCounts) -> dict[str, Any]:
        """Replace the tables, unless too many input rows were rejected.

        Raises:
            RunError: if they were, or the warehouse can't be written; the tables are as before.
        """
        check_dead_letters(counts, self.max_dead_letter_pct)
        files: dict[str, list[str]] = defaultdict(list)
        rows = {table.name: 0 for table in self.tables}
        for file in sorted(staged):
            files[file.table].append(file.path)
            rows[file.table] += file.rows
        self.warehouse.replace(self.tables, files)
        seconds = (datetime.now(UTC).replace(tzinfo=None) - self.started_at).total_seconds()
        return report(counts, rows, seconds)


def check_dead_letters(counts: RunCounts, max_pct: float) -> None:
    """Raise RunError if more than `max_pct` percent of the input rows are dead letters."""
    if not counts.input_rows or 100 * counts.rejected <= max_pct * counts.input_rows:
        return
    worst = max(counts.dead_letters, key=lambda name: counts.dead_letters[name])
    example = counts.examples[worst]
    raise RunError(
        f"{counts.rejected:,} of {counts.input_rows:,} input rows are dead letters "
        f"({100 * counts.rejected / counts.input_rows:.1f} %), more than --max_dead_letter_pct "
        f"{max_pct:g} allows; no table was touched. Most are {worst}, e.g. {example.source} at "
        f"byte {example.position}: {example.message}. Mend the input or raise the limit"
    )


def report(counts: RunCounts, rows: dict[str, int], seconds: float) -> dict[str, Any]:
    """What `--summary_file` holds."""
    return {
        "input_rows": counts.input_rows,
        "events": counts.events,
        "duplicates": counts.duplicates,
        "dead_letters": {"total": counts.rejected, "by_error_type": dict(counts.dead_letters)},
        "dead_letter_examples": {name: vars(found) for name, found in counts.examples.items()},
        "ignored_miles_amounts": counts.ignored_amounts,
        "tables": rows,
        "seconds": round(seconds, 3),
    }


def _write_json(content: dict[str, Any], path: str) -> dict[str, Any]:
    with FileSystems.create(path, mime_type="application/json") as stream:
        stream.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
    return content
