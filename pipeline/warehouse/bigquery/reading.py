"""A BigQuery table as Arrow."""

from __future__ import annotations

import os
from typing import Final

import grpc
import pyarrow as pa
from google.cloud import bigquery, bigquery_storage
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from pipeline.warehouse.bigquery.client import EMULATOR, explained
from transforms.contract import Table

_STORAGE_EMULATOR: Final = "BIGQUERY_STORAGE_EMULATOR_HOST"


def read(client: bigquery.Client, reference: bigquery.TableReference, table: Table) -> pa.Table:
    """All rows of a table, with the contract's Arrow schema, by the Storage Read API.

    Raises:
        RunError: if it can't be read.
    """
    with explained(f"read table {reference}"):
        found = client.get_table(reference)
        rows = client.list_rows(found)
        if found.require_partition_filter and table.partition:
            # Such a table is read by queries alone.
            rows = client.query_and_wait(
                f"SELECT * FROM `{reference.project}.{reference.dataset_id}.{reference.table_id}` "
                f"WHERE `{table.partition.column}` >= '0001-01-01'"
            )
        storage = _storage(client)
        arrow = rows.to_arrow(bqstorage_client=storage, create_bqstorage_client=False)
    return arrow.select(list(table.column_names)).cast(_zoned(table)).cast(table.arrow_schema)


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
        rows = client.query_and_wait(f"SELECT COUNT(*) FROM `{name}`")
        return int(next(iter(rows))[0])


def _zoned(table: Table) -> pa.Schema:
    """The schema with TIMESTAMP as an instant, as BigQuery gives it."""
    return pa.schema(
        field.with_type(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field
        for field in table.arrow_schema
    )


def _storage(client: bigquery.Client) -> bigquery_storage.BigQueryReadClient | None:
    """The Storage Read API; None for an emulator that has none."""
    if not os.environ.get(EMULATOR):
        return bigquery_storage.BigQueryReadClient(credentials=client._credentials)
    address = os.environ.get(_STORAGE_EMULATOR)
    if not address:
        return None
    # As the client's own channels: messages of any size.
    channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)])
    return bigquery_storage.BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
