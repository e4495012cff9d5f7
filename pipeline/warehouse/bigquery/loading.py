"""Staged files -> scratch tables, which expire by themselves."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from pipeline import __version__
from pipeline.errors import RunError
from pipeline.warehouse.bigquery.bigquery_sql import DIALECT
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.jobs import Planned, run_jobs, side_by_side
from pipeline.warehouse.bigquery.limits import BYTES_PER_LOAD, FILES_PER_LOAD, LAYOUT
from pipeline.warehouse.bigquery.tables import RUN_LABEL, declared, end_of_scratch_life, schema
from pipeline.warehouse.capabilities import zoned
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.guarding import guard, guard_statement
from transforms.contract import Table
from transforms.kernels.figures import figures_of

SCRATCH: Final = "growth_scratch_"
# A query is billed for 10 MB of each table at least, which adds up over the flushes of a stream.
LISTED_ROWS: Final = 5_000


@dataclass(frozen=True)
class Workplace:
    """Where a commit works.

    Attributes:
        client: in the dataset's location.
        dataset: of the tables.
        run: the run's id.
        filtered: of tables whether their queries must say which partitions they read; those that
            are not named are left as they are.
    """

    client: bigquery.Client
    dataset: bigquery.DatasetReference
    run: str
    filtered: Mapping[str, bool] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """Of every job: which run of which version of the pipeline it belongs to."""
        return {RUN_LABEL: self.run, "growth_version": __version__.replace(".", "-")}

    def job_id(self, *parts: str) -> str:
        """A job's id: the same for the same run and parts."""
        return "_".join(("growth", self.run, *parts))

    def declared(self, table: Table) -> bigquery.Table:
        """The table that a contract declares."""
        found = declared(self.dataset.table(table.name), table)
        if table.name in self.filtered:
            found.require_partition_filter = self.filtered[table.name]
        return found

    def claimed(self, table: Table) -> bigquery.Table:
        """The table that a contract declares, claimed by this run."""
        wanted = self.declared(table)
        wanted.labels = {RUN_LABEL: self.run}
        return wanted

    def scratch(self, table: Table) -> bigquery.TableReference:
        """The run's scratch table of a table."""
        return self.scratch_of(table.name)

    def scratch_of(self, name: str) -> bigquery.TableReference:
        """The run's scratch table of the table of a name."""
        return self.dataset.table(f"{SCRATCH}{self.run}_{name}")


@dataclass(frozen=True)
class Load:
    """Staged files of a contract, to be loaded into its scratch table.

    Attributes:
        table: the contract.
        files: the staged files.
        like: the table that the scratch table is to replace, or to be merged into.
    """

    table: Table
    files: Sequence[StagedFile]
    like: bigquery.Table


def load(place: Workplace, loads: Sequence[Load]) -> None:
    """Load staged files into scratch tables, all side by side; no other table is touched.

    Raises:
        RunError: if a load fails, or does not hold the rows that were staged.
    """
    side_by_side(lambda item: create_scratch(place, item), loads)
    run_jobs(place.client, [job for item in loads for job in _jobs(place, item)])
    side_by_side(lambda item: _check_rows(place, item), loads)


def replace_rows(
    client: bigquery.Client, reference: bigquery.TableReference, table: Table, rows: pa.Table
) -> None:
    """Give a small table other rows by one load job; it is created if it is missing.

    Raises:
        RunError: if it can't be done; the table is as it was.
    """
    with explained(f"write table {reference}"):
        client.create_table(declared(reference, table), exists_ok=True)
        file = io.BytesIO()
        pq.write_table(rows.cast(LAYOUT.schema(rows.schema)), file)
        file.seek(0)
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            schema=schema(table),
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        )
        client.load_table_from_file(file, reference, job_config=config).result()


def drop_scratch(place: Workplace, tables: Sequence[Table]) -> None:
    """Remove scratch tables; one that is gone is fine."""

    def drop(table: Table) -> None:
        with explained(f"remove the scratch table {place.scratch(table)}"):
            place.client.delete_table(place.scratch(table), not_found_ok=True)

    side_by_side(drop, tables)


def create_scratch(place: Workplace, item: Load) -> None:
    """Create a scratch table, if it is not there.

    Raises:
        RunError: if it can't be created.
    """
    # Without the run's label: it might travel with a copy, and hide the claim of a later run.
    wanted = declared(place.scratch(item.table), item.table, item.like)
    wanted.expires = end_of_scratch_life()
    with explained(f"create the scratch table {wanted.reference}"):
        place.client.create_table(wanted, exists_ok=True)


def _jobs(place: Workplace, item: Load) -> Iterator[Planned]:
    chunks = list(_chunks(item))
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=schema(item.table, item.like),
        destination_encryption_configuration=item.like.encryption_configuration,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        write_disposition=(
            bigquery.WriteDisposition.WRITE_TRUNCATE
            if len(chunks) == 1
            else bigquery.WriteDisposition.WRITE_APPEND
        ),
        labels=place.labels,
    )
    if item.table.partition:
        config.time_partitioning = declared(place.scratch(item.table), item.table).time_partitioning
    if item.table.clustering:
        config.clustering_fields = list(item.table.clustering)
    for chunk in chunks:
        yield _job(place, item.table, chunk, config)


def name_of(files: Sequence[StagedFile]) -> str:
    """What tells a job over some files from one over others: digits and letters."""
    paths = "\n".join(file.path for file in files)
    return hashlib.blake2b(paths.encode(), digest_size=6).hexdigest()


def _job(
    place: Workplace, table: Table, files: Sequence[StagedFile], config: bigquery.LoadJobConfig
) -> Planned:
    paths = [file.path for file in files]

    def begin(job_id: str) -> bigquery.LoadJob:
        return place.client.load_table_from_uri(
            paths, place.scratch(table), job_id=job_id, job_config=config
        )

    action = f"load {sum(file.rows for file in files):,} rows of {table.name} from {paths[0]}"
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return Planned(place.job_id("load", table.name, name_of(files)), action + more, begin)


def _chunks(item: Load) -> Iterator[list[StagedFile]]:
    """The files in groups that one job may load."""
    files = sorted(item.files, key=lambda file: file.path)
    blocks = LAYOUT.blocks_of(item.table)
    by_block: dict[int, list[StagedFile]] = {}
    for file in files:
        by_block.setdefault(blocks.of(file.partitions[0]) if blocks else 0, []).append(file)
    for _, block in sorted(by_block.items()):
        chunk: list[StagedFile] = []
        size = 0
        for file in block:
            if chunk and (len(chunk) == FILES_PER_LOAD or size + file.bytes > BYTES_PER_LOAD):
                yield chunk
                chunk, size = [], 0
            chunk.append(file)
            size += file.bytes
        yield chunk


def _check_rows(place: Workplace, item: Load) -> None:
    staged = sum(file.rows for file in item.files)
    reference = place.scratch(item.table)
    with explained(f"look at the scratch table {reference}"):
        found = place.client.get_table(reference).num_rows
    if found != staged:
        raise RunError(
            f"the scratch table {reference} holds {found:,} of {staged:,} staged rows of "
            f"{item.table.name}: it was removed or written meanwhile; no table was touched, run "
            "again"
        )
    if item.files:
        _guard(place, item)


def _guard(place: Workplace, item: Load) -> None:
    reference = place.scratch(item.table)
    with explained(f"compare the scratch table {reference} with what was staged"):
        small = sum(file.rows for file in item.files) <= LISTED_ROWS
        answer = (_listed if small else _queried)(place, item.table)
    guard(item.table, item.files, answer, f"the scratch table {reference}")


def _listed(place: Workplace, table: Table) -> list[int]:
    """What `guard_statement` asks, by reading the rows, for which BigQuery takes nothing."""
    found = place.client.list_rows(place.scratch(table)).to_arrow(create_bqstorage_client=False)
    # Instants are read as such, and figures know them without a zone.
    rows = found.select(table.column_names).cast(zoned(table.arrow_schema)).cast(table.arrow_schema)
    return [rows.num_rows, *figures_of(rows)]


def _queried(place: Workplace, table: Table) -> list[int]:
    """The answer to `guard_statement`."""
    reference = place.scratch(table)
    name = f"`{reference.project}.{reference.dataset_id}.{reference.table_id}`"
    statement = guard_statement(table, name, DIALECT)
    config = bigquery.QueryJobConfig(labels=place.labels)
    (answer,) = place.client.query_and_wait(statement, job_config=config)
    return list(answer.values())
