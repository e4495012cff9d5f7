"""BigQuery tables as the contract has them, and how a table that exists differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.api_core.exceptions import Forbidden, NotFound, PreconditionFailed
from google.cloud import bigquery
from google.cloud.bigquery.table import PrimaryKey, TableConstraints

from pipeline.warehouse.bigquery.client import QUICK, explained
from transforms.contract import Column, Table, Type

# Standard SQL's names of what the API calls otherwise.
_ALIASES: Final[Mapping[str, str]] = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}

# Of a table: the run that writes it, or wrote it last.
RUN_LABEL: Final = "growth_run"
# Of a table: the event types that make a user active, joined by -. Commits noted them so before
# warehouse_settings was there.
ACTIVE_TYPES_LABEL: Final = "growth_active_event_types"
_ATTEMPTS: Final = 3

# A commit that was cut off is finished from scratch tables by whatever run comes next.
_SCRATCH_LIFE: Final = timedelta(days=7)
# By this many milliseconds after the second a scratch table's end is known from a user's choice:
# should a copy take it over, and the run die before it is taken back, the next run sees it.
_SCRATCH_MARK: Final = 777_000


def end_of_scratch_life() -> datetime:
    """When a scratch table that is created now expires."""
    return (datetime.now(UTC) + _SCRATCH_LIFE).replace(microsecond=_SCRATCH_MARK)


def is_scratch_life(expires: datetime | None) -> bool:
    """Whether an expiration is that of a scratch table."""
    return expires is not None and expires.microsecond == _SCRATCH_MARK


def schema(table: Table, like: bigquery.Table | None = None) -> list[bigquery.SchemaField]:
    """The columns of a contract; those that have policy tags in a table `like` it keep them."""
    tags = {field.name: field.policy_tags for field in like.schema} if like else {}
    return [
        bigquery.SchemaField(
            column.name,
            column.type.value,
            mode="REQUIRED" if column.required else "NULLABLE",
            description=column.description,
            policy_tags=tags.get(column.name),
        )
        for column in table.columns
    ]


def declared(
    reference: bigquery.TableReference, table: Table, like: bigquery.Table | None = None
) -> bigquery.Table:
    """A table as its contract has it.

    Args:
        reference: its name.
        table: the contract.
        like: the table that it is to replace: it shares its policy tags and encryption.
    """
    found = bigquery.Table(reference, schema=schema(table, like))
    found.description = table.description
    if like is not None:
        found.encryption_configuration = like.encryption_configuration
    if table.partition:
        found.time_partitioning = bigquery.TimePartitioning(
            type_=table.partition.by, field=table.partition.column
        )
    if table.clustering:
        found.clustering_fields = list(table.clustering)
    if table.primary_key:
        found.table_constraints = TableConstraints(
            primary_key=PrimaryKey(columns=list(table.primary_key)), foreign_keys=None
        )
    return found


def conflicts(table: Table, found: bigquery.Table) -> Iterator[str]:
    """In what a table that exists contradicts its contract: what it has and what is expected."""
    if found.table_type != "TABLE":
        yield f"it is a {found.table_type}, not a TABLE"
        return
    has, expected = _partitioning(found), _expected_partitioning(table)
    if has != expected:
        yield f"it is {has}, not {expected}"
    clustering = tuple(found.clustering_fields or ())
    if clustering != table.clustering:
        yield f"it is clustered by {_listed(clustering)}, not by {_listed(table.clustering)}"
    columns = {field.name: field for field in found.schema}
    for column in table.columns:
        yield from _column_conflicts(column, columns.pop(column.name, None))
    for extra in columns.values():
        yield f"it has a column {extra.name} {extra.field_type} that is not expected"


def _column_conflicts(column: Column, found: bigquery.SchemaField | None) -> Iterator[str]:
    if found is None:
        if column.required:
            yield f"it lacks the column {column.name} {column.type.value} REQUIRED"
        return
    kind = _ALIASES.get(found.field_type, found.field_type)
    if kind != column.type.value or found.mode == "REPEATED":
        repeated = " REPEATED" if found.mode == "REPEATED" else ""
        yield f"its column {column.name} is {kind}{repeated}, not {column.type.value}"
    # The other way round does no harm, and a load that replaces the table repairs it.
    elif found.mode == "REQUIRED" and not column.required:
        yield f"its column {column.name} is REQUIRED, not NULLABLE"


def _partitioning(found: bigquery.Table) -> str:
    if found.range_partitioning is not None:
        return f"partitioned by ranges of {found.range_partitioning.field}"
    time = found.time_partitioning
    if time is None:
        return "not partitioned"
    return f"partitioned by {time.type_} of {time.field or 'ingestion time'}"


def _expected_partitioning(table: Table) -> str:
    if table.partition is None:
        return "not partitioned"
    return f"partitioned by {table.partition.by} of {table.partition.column}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"


def row_policies(client: bigquery.Client, reference: bigquery.TableReference) -> list[str]:
    """The names of a table's row access policies, as far as this run may see them.

    Listing them takes roles/bigquery.dataOwner, which runs need not have.

    Raises:
        RunError: if BigQuery does not answer.
    """
    with explained(f"list the row access policies of {reference}"):
        try:
            # The client has no method for them, and so no retry of its own.
            asked = QUICK(client._connection.api_request)
            answer = asked(method="GET", path=f"{reference.path}/rowAccessPolicies")
        except (Forbidden, NotFound):
            return []
    found = answer.get("rowAccessPolicies", [])
    return [policy["rowAccessPolicyReference"]["policyId"] for policy in found]


def find(client: bigquery.Client, reference: bigquery.TableReference) -> bigquery.Table | None:
    """A table as it is, or None if there is none."""
    with explained(f"look at table {reference}"):
        try:
            return client.get_table(reference, retry=QUICK)
        except NotFound:
            return None


def bring_up_to_date(
    client: bigquery.Client, wanted: bigquery.Table, before: bigquery.Table | None = None
) -> None:
    """Create a table that is missing; give one that exists what needs no new data.

    That is missing NULLABLE columns, descriptions, the primary key, labels, and the partition
    filter where `wanted` says something of it.

    Args:
        client: for its project.
        wanted: the table as it is declared.
        before: the table as it was before its rows were replaced: it keeps its expiration.

    Raises:
        RunError: if it can't be done.
    """
    for attempt in range(_ATTEMPTS):
        found = find(client, wanted.reference)
        if found is None:
            with explained(f"create table {wanted.reference}"):
                client.create_table(wanted, exists_ok=True)
            return
        changed = _update(found, wanted)
        expires = None if before is None else before.expires
        if is_scratch_life(found.expires) or (before is not None and found.expires != expires):
            found.expires = None if is_scratch_life(expires) else expires
            changed.append("expires")
        if not changed:
            return
        with explained(f"update {', '.join(changed)} of table {wanted.reference}"):
            try:
                client.update_table(found, changed)
                return
            except PreconditionFailed:
                # It has changed since it was read: by a first try whose answer was lost, say.
                if attempt == _ATTEMPTS - 1:
                    raise


def _update(found: bigquery.Table, wanted: bigquery.Table) -> list[str]:
    changed = []
    schema = _merged_schema(wanted, found)
    if schema != list(found.schema):
        found.schema = schema
        changed.append("schema")
    if found.description != wanted.description:
        found.description = wanted.description
        changed.append("description")
    filtered = wanted.require_partition_filter
    if filtered is not None and bool(found.require_partition_filter) != filtered:
        found.require_partition_filter = wanted.require_partition_filter
        changed.append("require_partition_filter")
    if _key(found) != _key(wanted):
        found.table_constraints = wanted.table_constraints
        changed.append("table_constraints")
    labels = {**found.labels, **wanted.labels}
    if labels != found.labels:
        found.labels = labels
        changed.append("labels")
    return changed


def _merged_schema(wanted: bigquery.Table, found: bigquery.Table) -> list[bigquery.SchemaField]:
    """The columns that are there in their order and modes, described; then the missing ones."""
    present = {field.name: field for field in found.schema}
    described = {field.name: field for field in wanted.schema}
    kept = [_described(field, described.get(field.name, field)) for field in found.schema]
    return kept + [field for field in wanted.schema if field.name not in present]


def _described(field: bigquery.SchemaField, wanted: bigquery.SchemaField) -> bigquery.SchemaField:
    if field.description == wanted.description:
        return field
    properties: dict[str, Any] = {**field.to_api_repr(), "description": wanted.description}
    return bigquery.SchemaField.from_api_repr(properties)


def _key(table: bigquery.Table) -> list[str]:
    constraints = table.table_constraints
    return list(constraints.primary_key.columns) if constraints and constraints.primary_key else []


SQL_TYPES: Final[Mapping[Type, str]] = {
    kind: next((name for name, alias in _ALIASES.items() if alias == kind.value), kind.value)
    for kind in Type
}
