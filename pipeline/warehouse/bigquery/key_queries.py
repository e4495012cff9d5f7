"""Rows of BigQuery tables that have one of many keys: one query, read by many streams at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from pipeline.warehouse.bigquery.bigquery_sql import DIALECT
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.jobs import Planned, run_jobs, side_by_side
from pipeline.warehouse.bigquery.loading import Load, Workplace, create_scratch, load, name_of
from pipeline.warehouse.bigquery.reading import batches, storage
from pipeline.warehouse.capabilities import zoned
from pipeline.warehouse.lookups import FoundRows, Lookup
from pipeline.warehouse.merging import within_partitions
from transforms.contract import DATE, INTEGER, STRING, Table, Type

# A query's parameters may take 10 MB; so many keys of 100 bytes take some 2 MB.
_KEYS_AT_ONCE: Final = 5_000
_PARAMETERS: Final = {STRING: "STRING", DATE: "DATE", INTEGER: "INT64"}
# What an address begins with that is no stream of the Storage Read API.
_TABLE: Final = "table:"


def look_up(place: Workplace, lookups: Sequence[Lookup]) -> list[FoundRows]:
    """Load keys into scratch tables, query each table once into another, and open what is found.

    Raises:
        RunError: if a table is not there, or a job fails.
    """
    wanted = [lookup for lookup in lookups if lookup.files]
    loads = {lookup.keys.name: lookup for lookup in wanted}
    like = {name: _described(place, lookup.table) for name, lookup in loads.items()}
    load(place, [Load(found.keys, found.files, like[name]) for name, found in loads.items()])
    side_by_side(lambda lookup: _create(place, lookup), wanted)
    run_jobs(place.client, [_query(place, lookup) for lookup in wanted])
    opened = side_by_side(lambda lookup: _open(place, lookup), wanted)
    return [share for shares in opened for share in shares]


def found(client: bigquery.Client, share: FoundRows) -> Iterator[pa.Table]:
    """The rows of a share, in pieces.

    Raises:
        RunError: if they can't be read.
    """
    lookup = share.lookup
    if share.address.startswith(_TABLE):
        reference = bigquery.TableReference.from_string(share.address.removeprefix(_TABLE))
        yield from batches(client, reference, _of_columns(lookup), lookup.columns)
        return
    reader = storage(client)
    assert reader is not None
    with explained(f"read what was found in {lookup.table.name}"):
        schema = None
        for answer in reader.read_rows(share.address):
            if schema is None:
                schema = pa.ipc.read_schema(pa.py_buffer(answer.arrow_schema.serialized_schema))
            data = pa.py_buffer(answer.arrow_record_batch.serialized_record_batch)
            rows = pa.Table.from_batches([pa.ipc.read_record_batch(data, schema)])
            yield _cast(rows, lookup.schema)


def rows_with(
    client: bigquery.Client,
    reference: bigquery.TableReference,
    table: Table,
    columns: Sequence[str],
    keys: pa.Table,
) -> pa.Table:
    """The rows that have one of some keys, given as a query's parameters.

    Raises:
        RunError: if they can't be read.
    """
    schema = pa.schema([table.arrow_schema.field(name) for name in columns])
    parts = [schema.empty_table()]
    for start in range(0, keys.num_rows, _KEYS_AT_ONCE):
        some = keys.slice(start, _KEYS_AT_ONCE)
        within, by = _within(table, _days_of(table, some)), keys.column_names
        statement = _statement(table, columns, by, _sql(reference), "UNNEST(@keys)", within)
        config = bigquery.QueryJobConfig(query_parameters=[_parameter(table, some)])
        with explained(f"read rows of {reference} by their keys"):
            answer = client.query_and_wait(statement, job_config=config)
            parts += [
                _cast(pa.Table.from_batches([batch]), schema)
                for batch in answer.to_arrow_iterable(bqstorage_client=storage(client))
            ]
    return pa.concat_tables(parts)


def _described(place: Workplace, table: Table) -> bigquery.Table:
    reference = place.dataset.table(table.name)
    with explained(f"look at table {reference}"):
        return place.client.get_table(reference)


def _of_columns(lookup: Lookup) -> Table:
    """The contract of what a lookup finds."""
    found = {column.name: column for column in lookup.table.columns}
    columns = tuple(replace(found[name], required=False) for name in lookup.columns)
    return Table(f"found_{lookup.table.name}", f"What was found in {lookup.table.name}.", columns)


def _query(place: Workplace, lookup: Lookup) -> Planned:
    """The query of a lookup into a scratch table of its own."""
    table, keys = lookup.table, place.scratch(lookup.keys)
    within = _within(table, lookup.partitions)
    source = _sql(place.dataset.table(table.name))
    statement = _statement(table, lookup.columns, lookup.by, source, _sql(keys), within)
    config = bigquery.QueryJobConfig(
        destination=place.scratch(_of_columns(lookup)),
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        labels=place.labels,
    )

    def begin(job_id: str) -> bigquery.QueryJob:
        return place.client.query(statement, config, job_id=job_id, job_retry=None)

    # A stream looks other keys up at each flush of the same run.
    job_id = place.job_id("find", table.name, name_of(lookup.files))
    return Planned(job_id, f"find rows of {source} by their keys", begin)


def _create(place: Workplace, lookup: Lookup) -> None:
    like = _described(place, lookup.table)
    create_scratch(place, Load(_of_columns(lookup), (), like))


def _open(place: Workplace, lookup: Lookup) -> list[FoundRows]:
    """The found rows in as many shares as the Storage Read API gives them."""
    reference = place.scratch(_of_columns(lookup))
    reader = storage(place.client)
    if reader is None:
        address = f"{reference.project}.{reference.dataset_id}.{reference.table_id}"
        return [FoundRows(lookup.of(()), f"{_TABLE}{address}")]
    wanted = types.ReadSession(
        table=reference.to_bqstorage(),
        data_format=types.DataFormat.ARROW,
        read_options=types.ReadSession.TableReadOptions(selected_fields=list(lookup.columns)),
    )
    with explained(f"read {reference}"):
        session = reader.create_read_session(
            parent=f"projects/{place.client.project}", read_session=wanted
        )
    # The keys have done their work: each share would carry the names of all their files.
    return [FoundRows(lookup.of(()), stream.name) for stream in session.streams]


def _statement(
    table: Table, columns: Sequence[str], by: Sequence[str], source: str, keys: str, within: str
) -> str:
    """SQL for the rows of a table that have one of some keys.

    Args:
        table: the contract.
        columns: which columns are wanted.
        by: which are compared.
        source: the table, as SQL that may follow FROM.
        keys: the keys, likewise.
        within: a condition on `t` by which other partitions need not be read.
    """
    shown = ", ".join(f"t.{DIALECT.name(name)}" for name in columns)
    names = ", ".join(f"w.{DIALECT.name(name)}" for name in by)
    same = " AND ".join(f"t.{name} = k.{name}" for name in map(DIALECT.name, by))
    return (
        f"SELECT {shown} FROM {source} AS t "
        f"JOIN (SELECT DISTINCT {names} FROM {keys} AS w) AS k ON {same} WHERE {within}"
    )


def _within(table: Table, days: Sequence[int] | None) -> str:
    """A condition for rows in some partitions: literals, without which all would be read."""
    if table.partition is None:
        return "TRUE"
    if days is None:
        # Queries may have to say something of it.
        return f"t.{DIALECT.name(table.partition.column)} >= '0001-01-01'"
    return within_partitions(table.partition, days, DIALECT)


def _days_of(table: Table, keys: pa.Table) -> list[int] | None:
    partition = table.partition
    if partition is None or partition.column not in keys.column_names:
        return None
    found: list[int] = partition.of(keys).tolist()
    return found


def _parameter(table: Table, keys: pa.Table) -> bigquery.ArrayQueryParameter:
    """Keys as a query's parameter @keys."""
    kinds = {name: _PARAMETERS[_type(table, name)] for name in keys.column_names}
    structs = [
        bigquery.StructQueryParameter(
            None,
            *(bigquery.ScalarQueryParameter(name, kinds[name], row[name]) for name in kinds),
        )
        for row in keys.to_pylist()
    ]
    return bigquery.ArrayQueryParameter("keys", "STRUCT", structs)


def _type(table: Table, name: str) -> Type:
    column = table.column(name)
    assert column is not None
    return column.type


def _cast(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows of the Storage Read API with a contract's types."""
    return rows.select(schema.names).cast(zoned(schema)).cast(schema)


def _sql(reference: bigquery.TableReference) -> str:
    return f"`{reference.project}.{reference.dataset_id}.{reference.table_id}`"
