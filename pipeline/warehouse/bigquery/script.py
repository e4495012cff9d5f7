"""Changes that leave rows where they are, as one transaction of BigQuery's SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from google.cloud import bigquery

from pipeline.warehouse.bigquery.bigquery_sql import DIALECT
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.loading import Workplace
from pipeline.warehouse.changes import Change, Matching, WriteDisposition, partitions_of
from pipeline.warehouse.merging import (
    delete_matching_statement,
    merge_statement,
    within_partitions,
)
from transforms.contract import STRING, Partition, Table, required

# Where a commit keeps its script, so that another process can run it.
SCRIPT: Final = Table(
    "commit_script",
    "What a commit does beside replacing tables.",
    (required("script", STRING, "BigQuery's SQL"),),
)


def script_of(place: Workplace, changes: Sequence[Change]) -> str | None:
    """The statements of all changes that replace nothing, in a transaction; None without any.

    Raises:
        RunError: if BigQuery can't tell which partitions they touch.
    """
    statements = [statement for change in changes for statement in _statements(place, change)]
    if not statements:
        return None
    return ";\n".join(["BEGIN TRANSACTION", *statements, "COMMIT TRANSACTION"]) + ";"


def _statements(place: Workplace, change: Change) -> Iterator[str]:
    if change.disposition is WriteDisposition.REPLACE:
        return
    for matching in change.matching:
        if matching.files:
            yield _delete_matching(place, change.table, matching)
    is_merged = change.disposition is WriteDisposition.MERGE
    contract = change.table.appended if is_merged else change.table
    # First, so that a row is merged into that was new in the same commit.
    if change.appended if is_merged else change.files:
        columns = ", ".join(map(DIALECT.name, change.table.column_names))
        yield (
            f"INSERT INTO {_target(place, change.table)} ({columns}) "
            f"SELECT {columns} FROM {sql_name(place.scratch(contract))}"
        )
    if is_merged and (change.files or change.deletes):
        yield _merge(place, change)


def _delete_matching(place: Workplace, table: Table, matching: Matching) -> str:
    values = sql_name(place.scratch(table.matching(matching.columns)))
    within = "TRUE"
    if table.partition is not None:
        days = (
            partitions_of(matching.files)
            if table.partition.column in matching.columns
            else _partitions_of(place, table, table.partition, matching.columns, [values])
        )
        within = within_partitions(table.partition, days, DIALECT)
    target = _target(place, table)
    return delete_matching_statement(table, target, values, matching.columns, within, DIALECT)


def _merge(place: Workplace, change: Change) -> str:
    table = change.table
    rows = sql_name(place.scratch(table)) if change.files else None
    deletes = sql_name(place.scratch(table.deletes)) if change.deletes else None
    within = "TRUE"
    if table.partition is not None:
        days = change.partitions
        if table.partition.moves or deletes:
            staged = [name for name in (rows, deletes) if name]
            days = _partitions_of(place, table, table.partition, table.primary_key, staged)
        within = within_partitions(table.partition, days, DIALECT)
    return merge_statement(table, _target(place, table), rows, deletes, within, DIALECT)


def _partitions_of(
    place: Workplace,
    table: Table,
    partition: Partition,
    columns: Sequence[str],
    staged: Sequence[str],
) -> list[int]:
    """The partitions in which rows with staged values lie now; reads these columns and that of the
    partition."""
    column = f"t.{DIALECT.name(partition.column)}"
    names = [DIALECT.name(name) for name in columns]
    values = " UNION ALL ".join(f"SELECT {', '.join(names)} FROM {part}" for part in staged)
    same = " AND ".join(f"s.{name} = t.{name}" for name in names)
    day = f"DATE_TRUNC(DATE({column}), {partition.by})"
    statement = f"""
        SELECT DISTINCT {day} AS day FROM {_target(place, table)} AS t
        WHERE EXISTS (SELECT 1 FROM ({values}) AS s WHERE {same}) AND {column} >= '0001-01-01'
    """
    config = bigquery.QueryJobConfig(labels=place.labels)
    with explained(f"find the partitions of {table.name} to change"):
        found = place.client.query_and_wait(statement, job_config=config)
        days = [row["day"] for row in found]
    return sorted(np.array(days, "datetime64[D]").astype(np.int64).tolist())


def _target(place: Workplace, table: Table) -> str:
    return sql_name(place.dataset.table(table.name))


def sql_name(reference: bigquery.TableReference) -> str:
    """A table as SQL names it."""
    return f"`{reference.project}.{reference.dataset_id}.{reference.table_id}`"
