"""A BigQuery table as Arrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import grpc
import pyarrow as pa
from google.api_core.exceptions import Conflict
from google.cloud import bigquery, bigquery_storage
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from pipeline.warehouse.bigquery.client import EMULATOR, explained
from pipeline.warehouse.capabilities import zoned
from transforms.contract import Table

_STORAGE_EMULATOR: Final = "BIGQUERY_STORAGE_EMULATOR_HOST"


def read(client: bigquery.Client, reference: bigquery.TableReference, table: Table) -> pa.Table:
    """All rows of a table, with the contract's Arrow schema, by the Storage Read API.

    Raises:
        RunError: if it can't be read.
    """
    parts = list(batches(client, reference, table, table.column_names))
    return pa.concat_tables(parts) if parts else table.arrow_schema.empty_table()


def batches(
    client: bigquery.Client,
    reference: bigquery.TableReference,
    table: Table,
    columns: Sequence[str],
    since: date | None = None,
) -> Iterator[pa.Table]:
    """The rows of a table in pieces, with the contract's Arrow types, by the Storage Read API.

    Args:
        client, reference, table, columns: of the table.
        since: as in `TableReader.batches`.

    Raises:
        RunError: if it can't be read.
    """
    schema = pa.schema([table.arrow_schema.field(name) for name in columns])
    with explained(f"read table {reference}"):
        found = client.get_table(reference)
        fields = [field for field in found.schema if field.name in columns]
        rows = client.list_rows(found, selected_fields=fields)
        if table.partition and (since or found.require_partition_filter):
            # A table that asks for partitions is read by queries alone.
            shown = ", ".join(f"`{name}`" for name in columns)
            name = f"{reference.project}.{reference.dataset_id}.{reference.table_id}"
            kept = f"`{table.days}` >= '{since or '0001-01-01'}'"
            rows = client.query_and_wait(f"SELECT {shown} FROM `{name}` WHERE {kept}")
        for batch in rows.to_arrow_iterable(bqstorage_client=storage(client)):
            part = pa.Table.from_batches([batch]).select(list(columns))
            yield part.cast(zoned(schema)).cast(schema)


def count(client: bigquery.Client, reference: bigquery.TableReference) -> int:
    """How many rows a table has; reads no byte of it.

    Raises:
        RunError: if it can't be read.
    """
    with explained(f"count the rows of table {reference}"):
        found = client.get_table(reference)
        if found.require_partition_filter:
            return int(found.num_rows)
        # The emulator's num_rows includes rows that a MERGE has replaced.
        name = f"{reference.project}.{reference.dataset_id}.{reference.table_id}"
        counting = f"SELECT COUNT(*) FROM `{name}`"
        try:
            rows = client.query_and_wait(counting)
        except Conflict:  # Its answer was lost, and the client's own retry met the first one's job.
            rows = client.query_and_wait(counting)
        return int(next(iter(rows))[0])


def storage(client: bigquery.Client) -> bigquery_storage.BigQueryReadClient | None:
    """The Storage Read API; None for an emulator that has none."""
    if not os.environ.get(EMULATOR):
        return bigquery_storage.BigQueryReadClient(credentials=client._credentials)
    address = os.environ.get(_STORAGE_EMULATOR)
    if not address:
        return None
    # As the client's own channels: messages of any size.
    channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
    return bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
