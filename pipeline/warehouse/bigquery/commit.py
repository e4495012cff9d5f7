"""Changes to tables: first all data into scratch tables, then a job a table that changes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.terminal import printable
from pipeline.warehouse.bigquery.bigquery_sql import DIALECT
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.jobs import Planned, has_run, run_jobs, side_by_side
from pipeline.warehouse.bigquery.loading import Load, Workplace, drop_scratch, load
from pipeline.warehouse.bigquery.tables import RUN_LABEL, bring_up_to_date, row_policies
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.merging import merge_statement, within_partitions
from transforms.contract import Partition, Table


def commit(place: Workplace, changes: Sequence[Change]) -> None:
    """Change tables by their staged files.

    Replacing and appending copy the scratch table, which moves no data, costs nothing and takes
    effect at once; merging is one MERGE.

    Raises:
        RunError: if data can't be loaded: no table is touched then; or if a table can't be
            changed: it is as it was.
    """
    if any(change.matching for change in changes):
        raise RunError("BigQuery tables can't lose rows by their values yet")
    changes = [
        replace(change, files=[*change.files, *change.appended], appended=()) for change in changes
    ]
    before = side_by_side(partial(_claimed, place), changes)
    side_by_side(partial(_refuse_row_policies, place), changes)
    loads = [
        item
        for change, table in zip(changes, before, strict=True)
        for item in _loads(change, table)
    ]
    jobs = [
        _job(place, change, table)
        for change, table in zip(changes, before, strict=True)
        if _loads(change, table)
    ]
    try:
        load(place, loads)
    except RunError:
        # Who has cleared what was loaded: a run that took over, or this one, at its very end?
        side_by_side(partial(_claimed, place), changes)
        if not all(side_by_side(partial(has_run, place.client), jobs)):
            raise
    else:
        side_by_side(partial(_claimed, place), changes)
        _apply(place, jobs)
    side_by_side(
        lambda pair: bring_up_to_date(place.client, place.declared(pair[0].table), pair[1]),
        zip(changes, before, strict=True),
    )
    try:
        drop_scratch(place, [item.table for item in loads])
    except RunError as error:
        logging.getLogger(__name__).warning("%s; it expires within a day", printable(str(error)))


def _apply(place: Workplace, jobs: Sequence[Planned]) -> None:
    try:
        run_jobs(place.client, jobs)
    except RunError as error:
        raise RunError(
            f"{error}. That table is as it was; others may be changed already, and another run "
            "brings all of them up to date"
        ) from error


def _loads(change: Change, before: bigquery.Table) -> list[Load]:
    """What must lie in scratch tables for a change; nothing where it changes nothing."""
    loads = [Load(change.table, change.files, before)]
    if change.disposition is WriteDisposition.REPLACE:
        return loads
    if change.deletes:
        loads.append(Load(change.table.deletes, change.deletes, before))
    return [item for item in loads if item.files]


def _claimed(place: Workplace, change: Change) -> bigquery.Table:
    """The table before it is changed, if no run has begun since that writes it."""
    reference = place.dataset.table(change.table.name)
    with explained(f"look at table {reference}"):
        found = place.client.get_table(reference)
    claimed_by = found.labels.get(RUN_LABEL, place.run)
    if not place.run.startswith(claimed_by):
        raise RunError(
            f"run {claimed_by} has begun to write {reference} while this one, {place.run}, was "
            "working: of two runs the one that began later goes on. No table was touched; let "
            "runs into one dataset follow each other"
        )
    return found


def _refuse_row_policies(place: Workplace, change: Change) -> None:
    """A copy over a table would drop them, and show every row to everybody who may query it."""
    if change.disposition is not WriteDisposition.REPLACE:
        return
    reference = place.dataset.table(change.table.name)
    policies = row_policies(place.client, reference)
    if policies:
        raise RunError(
            f"{reference} has row access policies ({', '.join(policies)}), which would go with the "
            "rows that are replaced, so no table was touched: put them on a view or a table of "
            f"your own, DROP ALL ROW ACCESS POLICIES ON `{reference}`, and run again"
        )


def _job(place: Workplace, change: Change, before: bigquery.Table) -> Planned:
    table, target = change.table, place.dataset.table(change.table.name)
    if change.disposition is WriteDisposition.MERGE:
        config = bigquery.QueryJobConfig(labels=place.labels)

        def begin_merge(job_id: str) -> bigquery.QueryJob:
            # A failed attempt must fail here: another one gets another id.
            return place.client.query(_merge(place, change), config, job_id=job_id, job_retry=None)

        return Planned(place.job_id("merge", table.name), f"merge into {target}", begin_merge)
    copy_config = bigquery.CopyJobConfig(
        create_disposition=bigquery.CreateDisposition.CREATE_IF_NEEDED,
        write_disposition=(
            bigquery.WriteDisposition.WRITE_TRUNCATE
            if change.disposition is WriteDisposition.REPLACE
            else bigquery.WriteDisposition.WRITE_APPEND
        ),
        destination_encryption_configuration=before.encryption_configuration,
        labels=place.labels,
    )

    def begin_copy(job_id: str) -> bigquery.CopyJob:
        return place.client.copy_table(
            place.scratch(table), target, job_id=job_id, job_config=copy_config
        )

    what = f"rows of {target}" if change.disposition is WriteDisposition.APPEND else str(target)
    action = f"{change.disposition.value} {what}"
    return Planned(place.job_id(change.disposition.value, table.name), action, begin_copy)


def _merge(place: Workplace, change: Change) -> str:
    table = change.table
    target = _sql(place.dataset.table(table.name))
    rows = _sql(place.scratch(table)) if change.files else None
    deletes = _sql(place.scratch(table.deletes)) if change.deletes else None
    within = "TRUE"
    if table.partition is not None:
        days = change.partitions
        if table.partition.moves or deletes:
            staged = [name for name in (rows, deletes) if name]
            days = _partitions_of_keys(place, table, table.partition, staged)
        within = within_partitions(table.partition, days, DIALECT)
    return merge_statement(table, target, rows, deletes, within, DIALECT)


def _partitions_of_keys(
    place: Workplace, table: Table, partition: Partition, staged: Sequence[str]
) -> list[int]:
    """The partitions in which rows with staged keys lie now; reads the key and that column."""
    target = place.dataset.table(table.name)
    column = f"t.{DIALECT.name(partition.column)}"
    names = [DIALECT.name(name) for name in table.primary_key]
    keys = " UNION ALL ".join(f"SELECT {', '.join(names)} FROM {part}" for part in staged)
    same = " AND ".join(f"s.{name} = t.{name}" for name in names)
    statement = f"""
        SELECT DISTINCT DATE_TRUNC({column}, {partition.by}) AS day FROM {_sql(target)} AS t
        WHERE EXISTS (SELECT 1 FROM ({keys}) AS s WHERE {same}) AND {column} >= DATE '0001-01-01'
    """
    config = bigquery.QueryJobConfig(labels=place.labels)
    with explained(f"find the partitions of {target} to merge into"):
        found = place.client.query_and_wait(statement, job_config=config)
        days = [row["day"] for row in found]
    return sorted(np.array(days, "datetime64[D]").astype(np.int64).tolist())


def _sql(reference: bigquery.TableReference) -> str:
    return f"`{reference.project}.{reference.dataset_id}.{reference.table_id}`"
