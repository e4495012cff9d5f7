"""Rows that are added to a table beside all commits."""

from __future__ import annotations

import pyarrow as pa
from google.cloud import bigquery

from pipeline.warehouse.bigquery.bigquery_sql import DIALECT
from pipeline.warehouse.bigquery.jobs import Planned, run_jobs
from pipeline.warehouse.bigquery.loading import Workplace
from pipeline.warehouse.bigquery.script import sql_name
from transforms.contract import Table


def add_note(place: Workplace, table: Table, rows: pa.Table) -> None:
    """Add some rows to a table that is there; once, however often it is tried.

    Args:
        place: where.
        table: its contract; without BYTES.
        rows: a few, with the contract's schema; they travel as parameters of a query.

    Raises:
        RunError: if they can't be added.
    """
    target = place.dataset.table(table.name)
    names = ", ".join(DIALECT.name(name) for name in table.column_names)
    values, parameters = [], []
    for number, row in enumerate(rows.to_pylist()):
        shown = [f"@{column.name}_{number}" for column in table.columns]
        values.append(f"({', '.join(shown)})")
        parameters += [
            bigquery.ScalarQueryParameter(
                f"{column.name}_{number}", DIALECT.types[column.type], row[column.name]
            )
            for column in table.columns
        ]
    statement = f"INSERT INTO {sql_name(target)} ({names}) VALUES {', '.join(values)}"
    config = bigquery.QueryJobConfig(query_parameters=parameters, labels=place.labels)

    def begin(job_id: str) -> bigquery.QueryJob:
        return place.client.query(statement, config, job_id=job_id, job_retry=None)

    run_jobs(place.client, [Planned(place.job_id("note", table.name), f"note in {target}", begin)])
