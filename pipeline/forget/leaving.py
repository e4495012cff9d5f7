"""What becomes of the tables when users leave them, or live on under pseudonyms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RunError
from pipeline.forget.holdings import Holdings, events_of
from pipeline.launch.rules_of_run import noted_rules
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, StagedFile, WriteDisposition
from pipeline.warehouse.staged_files import StagedFiles
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.kernels.increments import change
from transforms.kernels.timelines import Timelines
from transforms.leaving_users import LEAVE_BY, leaving_users, leaving_values
from transforms.mart_changes import finish
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles
from transforms.marts.registry import CORRECTIONS, FINISH, RESULTS, TABLES
from transforms.pseudonyms import renamed
from transforms.state import (
    excluded_users,
    forgotten_users,
    growth_counters,
    known_people,
    pipeline_runs,
    user_timelines,
    warehouse_settings,
)

# Of users whose events are held in memory together, as far as one alone has no more.
_EVENTS_AT_ONCE: Final = 500_000
_TICK: Final = timedelta(microseconds=1)

# By the name of a table the columns by whose values rows leave it, with those of its partitions.
_LEAVE_BY: Final[Mapping[str, tuple[str, ...]]] = {
    **LEAVE_BY,
    known_people.TABLE.name: ("anonymous_id",),
    excluded_users.TABLE.name: ("user_id",),
    dead_letter_events.TABLE.name: ("dead_letter_id", "failed_at"),
    CORRECTIONS.name: ("dead_letter_id",),
    RESULTS.name: ("run_id", "check_id", "checked_at"),
}
_MERGED: Final = (
    fct_events.TABLE,
    dim_users.TABLE,
    users_with_negative_miles.TABLE,
    CORRECTIONS,
    *(TABLES[name] for name in FINISH),
    user_timelines.TABLE,
    growth_counters.TABLE,
    pipeline_runs.TABLE,
    warehouse_settings.TABLE,
    forgotten_users.TABLE,
    known_people.TABLE,
    excluded_users.TABLE,
)
_APPENDED: Final = (dead_letter_events.TABLE, RESULTS)

WRITTEN: Final = (*_MERGED, *_APPENDED)
_PLAN: Final = CommitPlan(
    {
        **dict.fromkeys(_MERGED, WriteDisposition.MERGE),
        **dict.fromkeys(_APPENDED, WriteDisposition.APPEND),
    },
    {name: (columns,) for name, columns in _LEAVE_BY.items()},
)


class Staging(NamedTuple):
    """Where a run stages what it commits.

    Attributes:
        warehouse: for which one.
        folder: the run's.
    """

    warehouse: Warehouse
    folder: str

    def stage(self, rows: Mapping[str, pa.Table]) -> Iterator[StagedFile]:
        """Rows by the names of contracts that a commit of this kind takes.

        Raises:
            RunError: if they can't be written.
        """
        layout = self.warehouse.capabilities.layout
        for name, part in rows.items():
            if part.num_rows:
                files = StagedFiles(_PLAN.contracts[name], self.folder, layout)
                files.write(part)
                yield from files.close()


def changes_of(files: list[StagedFile]) -> list[Change]:
    """The changes that staged rows make; none of a table that stays as it is."""
    return [found for found in _PLAN.changes(files) if found.staged]


def leaving(held: Holdings) -> dict[str, pa.Table]:
    """By the names of contracts, what leaves the tables, and what is rewritten in them."""
    leave: dict[Table, pa.Table] = {
        known_people.TABLE: pa.table({"anonymous_id": held.people.anonymous_ids}),
        excluded_users.TABLE: held.excluded,
        dead_letter_events.TABLE: held.dead_letters,
        CORRECTIONS: held.corrections,
        RESULTS: held.results.before,
    }
    return {
        **leaving_users(held.lives),
        **dict(leaving_values(table, _LEAVE_BY[table.name], rows) for table, rows in leave.items()),
        RESULTS.name: held.results.after,
    }


def lived_on(
    warehouse: Warehouse, held: Holdings, types: FigureSettings, staging: Staging
) -> Iterator[tuple[list[StagedFile], Timelines]]:
    """Stage the rows of users under pseudonyms: some of them at a time, with their timelines.

    Args:
        warehouse: whose they are.
        held: what it holds of them.
        types: the event types, and which make a user active.
        staging: where the rows go.

    Raises:
        RunError: if events can't be read, or rows can't be staged.
        DataError: if other events are stored than the timelines say.
    """
    rules = noted_rules(warehouse)
    identified = rules is not None and rules.identifies
    for users in _portions(held.lives):
        before = held.lives.take(users)
        events = events_of(warehouse, before, fct_events.TABLE.column_names)
        found = renamed(events, before, figures=types, identified=identified)
        # Not the moment of this run, by which they could be distinguished from the others.
        written_at = held.written_at.take(pa.array(users))
        people = dim_users.rows(found.timelines, types.codes, written_at)
        rows = {
            fct_events.TABLE: found.events,
            dim_users.TABLE: people,
            users_with_negative_miles.TABLE: users_with_negative_miles.rows(people),
            user_timelines.TABLE: user_timelines.rows(found.timelines, written_at),
        }
        staged = staging.stage({table.appended.name: part for table, part in rows.items()})
        yield list(staged), found.timelines


def _portions(lives: Timelines) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The users of `lives`, by their indices, in portions of so many events."""
    events = lives.per_user(lives.events)
    number = np.cumsum(events) // _EVENTS_AT_ONCE
    for portion in np.unique(number):
        yield np.flatnonzero(number == portion)


def counted_without(
    warehouse: Warehouse,
    before: Timelines,
    after: Timelines,
    types: FigureSettings,
    written_at: datetime,
) -> dict[str, pa.Table]:
    """By the names of contracts, what becomes of marts and growth_counters.

    Args:
        warehouse: whose they are.
        before: the timelines that users have.
        after: those that they are to have; none of who leaves.
        types: the event types, and which make a user active.
        written_at: the moment of writing, in UTC without a zone.

    Raises:
        RunError: if growth_counters can't be read, or is of other events than fct_events.
    """
    difference = change(before, after, types.codes, types.reckoning)
    if difference == Counters.empty():
        return {}
    rows = warehouse.read(growth_counters.TABLE)
    sums = growth_counters.counters_of(rows)
    stored = warehouse.count(fct_events.TABLE) or 0
    if sums.events != stored:
        raise RunError(
            f"{growth_counters.TABLE.name} counts {sums.events:,} events, where "
            f"{fct_events.TABLE.name} has {stored:,}: another program has changed one of them; "
            "build the tables again with rebuild, or batch over the source files"
        )
    total = Counters.total([sums, difference])
    # A row replaces one that was written earlier, and the clock may have stepped back.
    latest = pc.max(rows["written_at"]).as_py()
    written_at_us = int(np.datetime64(max(written_at, latest + _TICK), "us").astype(np.int64))
    return dict(finish(sums, total, written_at_us, types).changed)


def listed(held: Holdings, forgotten_at: datetime, run: str) -> dict[str, pa.Table]:
    """By the names of state tables, the list of who was forgotten, as far as it grows."""
    if not len(held.unlisted):
        return {}
    key = held.key or forgotten_users.new_key()
    rows = forgotten_users.rows(held.unlisted, key, forgotten_at, run)
    settings = {} if held.key else {forgotten_users.KEY: key}
    return {
        forgotten_users.TABLE.name: rows,
        warehouse_settings.TABLE.name: warehouse_settings.rows(settings, forgotten_at),
    }
