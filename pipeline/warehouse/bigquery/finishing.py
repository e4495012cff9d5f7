"""The last part of a commit, from scratch tables alone: by the run itself, or by the next one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.terminal import printable
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.jobs import Planned, may_have_run, run_jobs, side_by_side
from pipeline.warehouse.bigquery.loading import Workplace
from pipeline.warehouse.bigquery.script import SCRIPT
from pipeline.warehouse.bigquery.tables import declared, end_of_scratch_life
from pipeline.warehouse.bigquery.under_way import MARK, UnderWay, found_in, unmark


def keep_script(place: Workplace, script: str) -> None:
    """Keep a commit's script in a scratch table.

    Raises:
        RunError: if it can't be written.
    """
    wanted = declared(place.scratch(SCRIPT), SCRIPT)
    wanted.expires = end_of_scratch_life()
    config = bigquery.QueryJobConfig(
        destination=wanted.reference,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        query_parameters=[bigquery.ScalarQueryParameter("script", "STRING", script)],
        labels=place.labels,
    )

    def begin(job_id: str) -> bigquery.QueryJob:
        return place.client.query("SELECT @script AS script", config, job_id, job_retry=None)

    with explained(f"create the scratch table {wanted.reference}"):
        place.client.create_table(wanted, exists_ok=True)
    planned = Planned(place.job_id("keep", "script"), f"fill {wanted.reference}", begin)
    run_jobs(place.client, [planned])


def jobs_of(place: Workplace, under_way: UnderWay) -> list[Planned]:
    """All that changes tables in a commit of the run whose place it is."""
    return [*_copies(place, under_way), *_scripts(place, under_way)]


def finish(place: Workplace, under_way: UnderWay) -> None:
    """Change the tables, or go on with that.

    Raises:
        RunError: if it can't be done; where nothing was changed yet, the mark is taken away.
    """
    try:
        run_jobs(place.client, _copies(place, under_way))
        run_jobs(place.client, _scripts(place, under_way))
    except RunError as error:
        jobs = jobs_of(place, under_way)
        if any(side_by_side(partial(may_have_run, place.client), jobs)):
            raise RunError(
                f"{error}. That table is as it was; others may be changed already, and another "
                "run brings all of them up to date"
            ) from error
        unmark(place.client, place.dataset)
        raise RunError(f"{error}. No table was touched") from error


def settle(place: Workplace) -> bool:
    """Go on with what another run has begun to change before it was cut off.

    Nobody has changed the tables since: a commit that finds the mark of another one fails.

    Returns:
        Whether there was something.

    Raises:
        RunError: if it can't be finished, and was begun.
    """
    under_way = found_in(place.client, place.dataset)
    if under_way is None or under_way.run == place.run:
        return False
    log = logging.getLogger(__name__)
    try:
        finish(replace(place, run=under_way.run), under_way)
    except RunError as error:
        if found_in(place.client, place.dataset) is not None:
            raise RunError(
                f"run {under_way.run} was cut off while it changed the tables, and can't be "
                f"finished: {error}. Correct that and run again; where it can't be, remove the "
                f"mark (bq rm -f {place.dataset.dataset_id}.{MARK}) and run batch over all files"
            ) from error
        log.warning(
            "run %s was cut off before it changed a table: %s",
            under_way.run,
            printable(str(error)),
        )
        return False
    unmark(place.client, place.dataset)
    log.warning("run %s was cut off while it changed the tables: that is done now", under_way.run)
    return True


def _copies(place: Workplace, under_way: UnderWay) -> Sequence[Planned]:
    return [_copy(place, name) for name in under_way.replaced]


def _copy(place: Workplace, name: str) -> Planned:
    target, source = place.dataset.table(name), place.scratch_of(name)

    def begin(job_id: str) -> bigquery.CopyJob:
        config = bigquery.CopyJobConfig(
            create_disposition=bigquery.CreateDisposition.CREATE_IF_NEEDED,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            # It shares that of the table that it replaces.
            destination_encryption_configuration=place.client.get_table(
                source
            ).encryption_configuration,
            labels=place.labels,
        )
        return place.client.copy_table(source, target, job_id=job_id, job_config=config)

    return Planned(place.job_id("replace", name), f"replace {target}", begin)


def _scripts(place: Workplace, under_way: UnderWay) -> Sequence[Planned]:
    if not under_way.has_script:
        return []
    source = place.scratch(SCRIPT)

    def begin(job_id: str) -> bigquery.QueryJob:
        (row,) = place.client.list_rows(place.client.get_table(source))
        config = bigquery.QueryJobConfig(labels=place.labels)
        # A failed attempt must fail here: another one gets another id.
        return place.client.query(row["script"], config, job_id=job_id, job_retry=None)

    action = f"change tables of dataset {place.dataset.dataset_id}"
    return [Planned(place.job_id("change"), action, begin)]
