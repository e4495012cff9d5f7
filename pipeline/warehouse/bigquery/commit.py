"""Changes to tables: first all data into scratch tables, then what they hold into the tables.

Tables whose rows are replaced are copied over, each at once; all others change in one transaction.
So a commit with copies may be cut off between two of them. Before the first one it is marked as
under way, and whatever run comes next finds the mark, and goes on from the scratch tables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial

from google.cloud import bigquery

from pipeline.errors import RunError
from pipeline.terminal import printable
from pipeline.warehouse.bigquery.client import explained
from pipeline.warehouse.bigquery.finishing import finish, jobs_of, keep_script
from pipeline.warehouse.bigquery.jobs import has_run, side_by_side
from pipeline.warehouse.bigquery.loading import Load, Workplace, drop_scratch, load
from pipeline.warehouse.bigquery.script import SCRIPT, script_of
from pipeline.warehouse.bigquery.tables import RUN_LABEL, bring_up_to_date, row_policies
from pipeline.warehouse.bigquery.under_way import UnderWay, found_in, mark, unmark
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from transforms.contract import Table


def commit(place: Workplace, changes: Sequence[Change]) -> None:
    """Change tables by their staged files.

    Copying moves no data, costs nothing and takes effect at once.

    Raises:
        RunError: if data can't be loaded: no table is touched then; or if a table can't be
            changed: then it is as it was, and the next run goes on.
    """
    before = side_by_side(partial(_claimed, place), changes)
    side_by_side(partial(_refuse_row_policies, place), changes)
    loads = [
        item
        for change, table in zip(changes, before, strict=True)
        for item in _loads(change, table)
    ]
    if loads:
        _change(place, changes, loads)
    side_by_side(
        lambda pair: bring_up_to_date(place.client, place.declared(pair[0].table), pair[1]),
        zip(changes, before, strict=True),
    )
    if loads:
        unmark(place.client, place.dataset)
    try:
        drop_scratch(place, [SCRIPT, *(item.table for item in loads)])
    except RunError as error:
        logging.getLogger(__name__).warning("%s; it expires within a week", printable(str(error)))


def _change(place: Workplace, changes: Sequence[Change], loads: Sequence[Load]) -> None:
    """Do what staged files say, or go on with that where this run has begun it."""
    under_way = _under_way(place, changes)
    begun = found_in(place.client, place.dataset)
    if begun is None or begun.run != place.run:
        try:
            load(place, loads)
        except RunError:
            # Who has cleared what was loaded: a run that took over, or this one, at its very end?
            side_by_side(partial(_claimed, place), changes)
            jobs = jobs_of(place, under_way)
            if not all(side_by_side(partial(has_run, place.client), jobs)):
                raise
            return
        script = script_of(place, changes)
        if script is not None:
            keep_script(place, script)
        _mark(place, changes, under_way)
    finish(place, under_way)


def _under_way(place: Workplace, changes: Sequence[Change]) -> UnderWay:
    replaced = [c.table.name for c in changes if c.disposition is WriteDisposition.REPLACE]
    return UnderWay(
        place.run,
        tuple(replaced),
        any(change.staged for change in changes if change.table.name not in replaced),
    )


def _mark(place: Workplace, changes: Sequence[Change], under_way: UnderWay) -> None:
    """Mark a commit as under way, unless another run has begun: that one looks for the mark once
    its claim stands, and so one of the two knows of the other."""
    while not mark(place.client, place.dataset, under_way):
        # Of a run that marked its commit when this one had claimed the tables, and gave up.
        side_by_side(partial(_claimed, place), changes)
        unmark(place.client, place.dataset)
    side_by_side(partial(_claimed, place), changes)


def _loads(change: Change, before: bigquery.Table) -> list[Load]:
    """What must lie in scratch tables for a change; nothing where it changes nothing."""
    if change.disposition is WriteDisposition.REPLACE:
        return [Load(change.table, change.files, before)]
    return [Load(contract, files, before) for contract, files in _contents(change) if files]


def _contents(change: Change) -> Iterator[tuple[Table, Sequence[StagedFile]]]:
    yield change.table, change.files
    yield change.table.deletes, change.deletes
    yield change.table.appended, change.appended
    for matching in change.matching:
        yield change.table.matching(matching.columns), matching.files


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
