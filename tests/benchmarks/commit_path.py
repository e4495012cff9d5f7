"""fct_events from Arrow into the BigQuery emulator: our commit path, or Beam's WriteToBigQuery.

    python -m tests.benchmarks.commit_path ours|beam events.parquet

Prints the seconds from the start of the pipeline to its end; both read the same row groups, run on
the same runner and stage in the same Cloud Storage emulator.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.gcp.bigquery import BigQueryDisposition, WriteToBigQuery
from apache_beam.io.gcp.internal.clients.bigquery import BigqueryV2
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.sinks import element_coders
from pipeline.sinks.stage_rows import StageRows
from pipeline.warehouse import Warehouse, open_warehouse
from pipeline.warehouse.bigquery.limits import LAYOUT
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from tests.emulators.servers import BUCKET, PROJECT, running
from transforms.marts import fct_events

TABLE: Final = fct_events.TABLE
_RUN: Final = "bench"
_TEMP: Final = f"gs://{BUCKET}/tmp"


@dataclass
class ReadRowGroups(beam.PTransform):
    """A Parquet file of fct_events as tables of the contract, one for each row group."""

    path: str

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        groups = range(pq.ParquetFile(self.path).num_row_groups)
        return (
            begin
            | "Row groups" >> beam.Create(list(groups))
            | "Read" >> beam.Map(self._read).with_output_types(pa.Table)
        )

    def _read(self, group: int) -> pa.Table:
        return pq.ParquetFile(self.path).read_row_group(group).cast(TABLE.arrow_schema)


def ours(path: str) -> float:
    """Stage Parquet, then one commit."""
    warehouse = open_warehouse(f"bigquery://{PROJECT}/ours")
    with warehouse.lock((TABLE,), _TEMP, _RUN) as folder:
        pipeline = beam.Pipeline(FnApiRunner(), PipelineOptions([]))
        (
            pipeline
            | ReadRowGroups(path)
            | StageRows(TABLE, folder, LAYOUT)
            | beam.CombineGlobally(beam.combiners.ToListCombineFn())
            | "Commit" >> beam.Map(_commit, warehouse)
        )
        seconds = _time(pipeline)
    _check(warehouse, path)
    return seconds


def _commit(files: list[StagedFile], warehouse: Warehouse) -> None:
    warehouse.commit([Change(TABLE, WriteDisposition.REPLACE, files)], _RUN)


def beams(path: str) -> float:
    """Rows as dicts into WriteToBigQuery(method=FILE_LOADS)."""
    warehouse = open_warehouse(f"bigquery://{PROJECT}/beams")
    with warehouse.lock((TABLE,), _TEMP, _RUN):
        pass
    # Beam's own client knows no emulator.
    BigqueryV2.BASE_URL = f"{os.environ['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/"
    options = PipelineOptions([f"--project={PROJECT}", f"--temp_location={_TEMP}"])
    pipeline = beam.Pipeline(FnApiRunner(), options)
    fields = [
        {"name": c.name, "type": c.type.value, "mode": "REQUIRED" if c.required else "NULLABLE"}
        for c in TABLE.columns
    ]
    (
        pipeline
        | ReadRowGroups(path)
        | "Rows" >> beam.FlatMap(_dicts)
        | WriteToBigQuery(
            f"{PROJECT}:beams.{TABLE.name}",
            schema={"fields": fields},
            method=WriteToBigQuery.Method.FILE_LOADS,
            write_disposition=BigQueryDisposition.WRITE_TRUNCATE,
            create_disposition=BigQueryDisposition.CREATE_NEVER,
        )
    )
    seconds = _time(pipeline)
    _check(warehouse, path)
    return seconds


def _dicts(rows: pa.Table) -> Iterator[dict[str, Any]]:
    for row in rows.to_pylist():
        for name in ("event_time", "processed_at"):
            row[name] = row[name].isoformat(sep=" ") + "+00:00"
        row["event_date"] = row["event_date"].isoformat()
        yield row


def _time(pipeline: beam.Pipeline) -> float:
    started = time.perf_counter()
    pipeline.run().wait_until_finish()
    return time.perf_counter() - started


def _check(warehouse: Warehouse, path: str) -> None:
    loaded, expected = warehouse.read(TABLE), pq.read_table(path).cast(TABLE.arrow_schema)
    key = [("event_id", "ascending")]
    if not loaded.sort_by(key).equals(expected.sort_by(key)):
        raise RuntimeError(f"{loaded.num_rows:,} of {expected.num_rows:,} rows arrived, or others")


if __name__ == "__main__":
    element_coders.register()
    with running() as servers:
        os.environ.update(servers.environment)
        print(f"{ {'ours': ours, 'beam': beams}[sys.argv[1]](sys.argv[2]):.3f}")
