"""The step of batch, update and stream that takes events into the tables of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import pyarrow as pa

from transforms.contract import Table
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.calendar import as_dates, date_of
from transforms.kernels.counters import Counters
from transforms.kernels.event_batch import EVENT_BATCH, IDENTIFIED_BATCH
from transforms.kernels.increments import Advanced, StoredEvents, advance, change, of_users
from transforms.kernels.rates import NO_RATES, NOBODY, Rates, over, without
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.timelines import Timelines
from transforms.kernels.user_dates import UserDates
from transforms.leaving_users import LEAVING, keys_of_events, leaving_users
from transforms.left_out import NO_LETTERS, Stamp, counts_of, letters_of
from transforms.mart_changes import changed_events, changed_users
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles
from transforms.parse_step import COUNTS, DEAD_LETTERS, count_dead_letters
from transforms.reckoning import Reckoning
from transforms.state import excluded_users, user_timelines
from transforms.stored_events import STORED, STORED_WITH_ID, numbered, refuse_incomplete
from transforms.touched_dates import rows
from transforms.user_tables import (
    CONTRIBUTIONS,
    EVENTS,
    EXCLUDED_USERS,
    NEGATIVE,
    TIMELINES,
    USERS,
)

NEW_EVENTS: Final = "new_events"
RENUMBERED: Final = "renumbered_events"
RECOVERED: Final = users_with_negative_miles.TABLE.deletes.name

# The contracts of the tables that `advanced` gives, by its names of them.
CHANGES: Final[Mapping[str, Table]] = {
    NEW_EVENTS: fct_events.TABLE.appended,
    RENUMBERED: fct_events.TABLE,
    USERS: dim_users.TABLE,
    NEGATIVE: users_with_negative_miles.TABLE,
    RECOVERED: users_with_negative_miles.TABLE.deletes,
    TIMELINES: user_timelines.TABLE,
    EXCLUDED_USERS: excluded_users.TABLE,
    **{contract.name: contract for contract in LEAVING},
}

# What is read of the tables, by their columns.
_NUMBERS: Final = ("session_id", "event_sequence_in_session")
EVENT_COLUMNS: Final = (*STORED.column_names, *_NUMBERS)
# Where rules name an event_id.
IDENTIFIED_COLUMNS: Final = (*STORED_WITH_ID.column_names, *_NUMBERS)
TIMELINE_COLUMNS: Final = ("user_id", "timeline")
EXCLUDED_COLUMNS: Final = excluded_users.KNOWN


class EventsOnDates(Protocol):
    """Reads the stored events of a few dates of users."""

    def __call__(self, dates: pa.Table) -> pa.Table:
        """The rows of fct_events on dates of users.

        Args:
            dates: rows of TOUCHED.

        Returns:
            With EVENT_COLUMNS, or with IDENTIFIED_COLUMNS where rules name an event_id.
        """


def advanced(
    batches: Sequence[pa.RecordBatch],
    types: FigureSettings,
    written_at: datetime,
    events_on: EventsOnDates,
    version: str,
    rates: Rates = NO_RATES,
) -> dict[str, Any]:
    """What `AdvanceShards` makes of a shard: CONTRIBUTIONS, COUNTS, DEAD_LETTERS and, as in
    CHANGES, tables.

    Args:
        batches: new events with the schema EVENT_BATCH or IDENTIFIED_BATCH, and what is stored of
            their users, with EVENT_COLUMNS or IDENTIFIED_COLUMNS, TIMELINE_COLUMNS, and, where
            rates of events are limited, EXCLUDED_COLUMNS; any number of each. Of events with ids
            of their source the dates of those with the same ids too.
        types, written_at, events_on, version, rates: as `AdvanceShards` has them.

    Raises:
        DataError: as `advance` does.
    """
    moment = pa.scalar(written_at, pa.timestamp("us"))
    shard = _parted(batches)
    found = _advance(shard, types, events_on, rates)
    step = found.step
    events = changed_events(step, moment)
    users = changed_users(step.before, step.after, types.codes, moment)
    letters = dead_letter_events.rows_of_sources(step.events.conflicts, written_at, version)
    counts = RunCounts(events=events.new.num_rows, duplicates=step.repeated)
    left = _left_out(shard.before, found, types, Stamp(written_at, version), events_on, rates)
    return {
        NEW_EVENTS: events.new,
        RENUMBERED: events.renumbered,
        USERS: users.users,
        NEGATIVE: users.negative,
        RECOVERED: users.recovered,
        TIMELINES: user_timelines.rows(step.after, moment),
        EXCLUDED_USERS: excluded_users.rows(found.over, moment),
        **leaving_users(left.lives),
        CONTRIBUTIONS: Counters.total([step.counters, left.counters]),
        COUNTS: RunCounts.total([counts, count_dead_letters(letters), left.counts]),
        DEAD_LETTERS: pa.concat_tables([letters, left.letters]),
    }


def together(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `advanced` has given of several shards, as if it were of one."""
    if len(steps) == 1:
        return dict(steps[0])
    tables = {
        name: pa.concat_tables([step[name] for step in steps]).unify_dictionaries()
        for name in (*CHANGES, DEAD_LETTERS)
    }
    return {
        **tables,
        CONTRIBUTIONS: Counters.total([step[CONTRIBUTIONS] for step in steps]),
        COUNTS: RunCounts.total([step[COUNTS] for step in steps]),
    }


def changed_rows(changes: Mapping[str, Any]) -> Iterator[tuple[str, pa.Table]]:
    """Of what `advanced` gives the rows of tables, with the names of their contracts; without any
    those of users who leave them are not among them, as most runs can't have such."""
    for tag, contract in CHANGES.items():
        if changes[tag].num_rows or contract not in LEAVING:
            yield contract.name, changes[tag]


def checkable(changes: Mapping[str, Any]) -> dict[str, pa.Table]:
    """Of what `advanced` gives the rows that checks ask about, by the names of their tables."""
    events = pa.concat_tables([changes[NEW_EVENTS], changes[RENUMBERED]]).unify_dictionaries()
    return {EVENTS: events, USERS: changes[USERS], NEGATIVE: changes[NEGATIVE]}


class _Shard(NamedTuple):
    """What has come of a shard.

    Attributes:
        events: with the schema EVENT_BATCH or IDENTIFIED_BATCH.
        stored: with EVENT_COLUMNS or IDENTIFIED_COLUMNS.
        before: the timelines of its users, as far as they have one.
        excluded: who of them is left out already, with EXCLUDED_COLUMNS.
    """

    events: list[pa.RecordBatch]
    stored: list[pa.Table]
    before: Timelines
    excluded: pa.Table


def _parted(batches: Sequence[pa.RecordBatch]) -> _Shard:
    events: list[pa.RecordBatch] = []
    stored: list[pa.RecordBatch] = []
    lives: list[pa.RecordBatch] = []
    excluded: list[pa.RecordBatch] = []
    by_columns = {
        tuple(EVENT_BATCH.names): events,
        tuple(IDENTIFIED_BATCH.names): events,
        EVENT_COLUMNS: stored,
        IDENTIFIED_COLUMNS: stored,
        TIMELINE_COLUMNS: lives,
        EXCLUDED_COLUMNS: excluded,
    }
    for batch in batches:
        by_columns[tuple(batch.schema.names)].append(batch)
    before = Timelines.none()
    if lives:
        before = user_timelines.timelines_of(pa.Table.from_batches(lives))
    nobody = NOBODY.select(EXCLUDED_COLUMNS)
    known = pa.Table.from_batches(excluded).cast(nobody.schema) if excluded else nobody
    return _Shard(events, [pa.Table.from_batches([batch]) for batch in stored], before, known)


class _Found(NamedTuple):
    """What new events come to, without those of users who are left out.

    Attributes:
        step: what the others make of their users.
        over: who is left out now, and was not, with the schema FOUND.
        excluded: all who are left out, with EXCLUDED_COLUMNS.
        came: their new events.
    """

    step: Advanced
    over: pa.Table
    excluded: pa.Table
    came: list[pa.RecordBatch]


def _advance(
    shard: _Shard, types: FigureSettings, events_on: EventsOnDates, rates: Rates
) -> _Found:
    stored, excluded, found = list(shard.stored), shard.excluded, NOBODY
    events, came = without(shard.events, excluded)
    while True:
        known = StoredEvents.none()
        if stored:
            known = numbered(pa.concat_tables(stored), types.known)
        step = advance(shard.before, known, events, types.codes, types.known, types.reckoning)
        if isinstance(step, UserDates):
            asked = rows(step)
            stored.append(events_on(asked))
            _refuse_lost(asked, stored[-1], types.reckoning)
            continue
        more = over(step.after, rates, types.reckoning)
        if not more.num_rows:
            return _Found(step, found, excluded, came)
        # Without them nobody else is over a rate: users don't depend on each other.
        found, excluded = more, pa.concat_tables([excluded, more.select(EXCLUDED_COLUMNS)])
        events, theirs = without(events, more)
        came = [*came, *theirs]


class _Left(NamedTuple):
    """What becomes of the tables by those who are left out.

    Attributes:
        lives: the timelines that they had.
        counters: what the sums over all users change by without them.
        letters: rows of dead_letter_events, where they are kept.
        counts: of their events, new and stored ones.
    """

    lives: Timelines
    counters: Counters
    letters: pa.Table
    counts: RunCounts


def _left_out(
    before: Timelines,
    found: _Found,
    types: FigureSettings,
    stamp: Stamp,
    events_on: EventsOnDates,
    rates: Rates,
) -> _Left:
    excluded, letters = found.excluded, NO_LETTERS
    lives = of_users(before, excluded["user_id"].combine_chunks())
    if rates.keep:
        stored: list[pa.RecordBatch] = []
        if len(lives):
            rows_of_them = events_on(keys_of_events(lives))
            refuse_incomplete(rows_of_them, lives)
            stored = [numbered(rows_of_them, types.known).events]
        letters = letters_of([*stored, *found.came], excluded, types, stamp)
    counts = counts_of(found.came, lives, excluded, letters)
    counters = change(lives, Timelines.none(), types.codes, types.reckoning)
    return _Left(lives, counters, letters, counts)


def _refuse_lost(asked: pa.Table, found: pa.Table, reckoning: Reckoning) -> None:
    """Raise DataError where a date has no event on which the user's timeline has some: it would be
    asked for again and again."""
    time_us = found["event_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    date = pa.array(as_dates(date_of(time_us, reckoning)))
    dates = pa.table({"user_id": found["user_id"], "event_date": date}).cast(asked.schema)
    lost = asked.join(dates, asked.column_names, join_type="left anti")
    for row in lost.slice(0, 1).to_pylist():
        raise DataError(
            f"fct_events has 0 events of user {row['user_id']!r} on {row['event_date']}, and the "
            "user's timeline some: another program has changed one of them; build the tables again "
            "with rebuild, or batch over the source files"
        )
