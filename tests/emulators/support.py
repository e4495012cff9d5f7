"""A dataset in the BigQuery emulator as a test sees it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.storage import Client as StorageClient

from pipeline.warehouse import Warehouse, WarehouseOptions, open_warehouse
from pipeline.warehouse.bigquery.staging import MARKER
from tests.emulators.servers import PROJECT, Servers
from tests.support.runs import command, comparable
from transforms.marts.registry import ALL_TABLES, CORRECTIONS, TABLES
from transforms.state.registry import STATE_TABLES

_CONTRACTS: Final = {
    table.name: table for table in (*ALL_TABLES, CORRECTIONS, *STATE_TABLES.values())
}


@dataclass(frozen=True)
class Home:
    """A dataset.

    Attributes:
        dataset: its name.
        temp: a folder of its own on gs://.
        staged: the same folder on this machine's disk.
        servers: the emulators.
        client: Google's client of the BigQuery emulator, past any proxy.
    """

    dataset: str
    temp: str
    staged: Path
    servers: Servers
    client: bigquery.Client

    @property
    def url(self) -> str:
        """Of the warehouse."""
        return f"bigquery://{PROJECT}/{self.dataset}"

    def run(self, name: str) -> str:
        """A run's id, which no other test has: BigQuery keeps the ids of jobs."""
        return f"{self.dataset}_{name}"

    def batch(
        self, source: Path | str, *options: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the batch command into the dataset, from the folder of a local source."""
        return command(
            *("batch", "--input", str(source), "--warehouse", self.url),
            *("--temp_location", self.temp, *options),
            cwd=Path(source).parent if "://" not in str(source) else Path("/"),
            **{**self.servers.environment, **environment},
        )

    def upload(self, path: Path, name: str) -> None:
        """Put a local file into the dataset's folder on gs://."""
        client = StorageClient(
            PROJECT, AnonymousCredentials(), client_options={"api_endpoint": self.servers.storage}
        )
        bucket, _, folder = self.temp.removeprefix("gs://").partition("/")
        client.bucket(bucket).blob(f"{folder}/{name}").upload_from_filename(str(path))

    def warehouse(self, **options: Any) -> Warehouse:
        """The dataset as the pipeline's warehouse, for a test that runs `here`."""
        return open_warehouse(self.url, WarehouseOptions(**options))

    def table(self, name: str) -> bigquery.Table:
        """A table as BigQuery describes it."""
        return self.client.get_table(f"{self.dataset}.{name}")

    def contents(self) -> dict[str, pa.Table]:
        """Every table, without the times of writing, in a fixed order, by Google's client."""
        return {name: comparable(name, self.rows(name)) for name in TABLES}

    def rows(self, name: str) -> pa.Table:
        """A table's rows, with the contract's Arrow schema, by Google's client."""
        schema = _CONTRACTS[name].arrow_schema
        found = self.client.list_rows(f"{self.dataset}.{name}")
        arrow = found.to_arrow(create_bqstorage_client=False)
        return arrow.cast(
            pa.schema(
                field.with_type(pa.timestamp("us", "UTC")).with_nullable(True)
                if pa.types.is_timestamp(field.type)
                else field.with_nullable(True)
                for field in schema
            )
        ).cast(schema)

    def leftovers(self) -> list[str]:
        """Tables that are none of the contract's, and staged files, but for runs' markers."""
        tables = [item.table_id for item in self.client.list_tables(self.dataset)]
        files = [
            path.name for path in self.staged.rglob("*") if path.is_file() and path.name != MARKER
        ]
        return [name for name in tables if name not in _CONTRACTS] + files


def unlike(left: dict[str, pa.Table], right: dict[str, pa.Table]) -> list[str]:
    """The names of the tables in which two warehouses differ."""
    return [name for name in TABLES if not left[name].equals(right[name])]
