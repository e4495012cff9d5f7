"""What follows from the events of a shard's users, wherever that is worked out."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.figure_settings import FigureSettings
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.rates import NO_RATES, NOBODY, Rates, over, without
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import SortedEvents, number_sessions, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.left_out import NO_LETTERS, Stamp, counts_of, letters_of
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles
from transforms.parse_step import count_dead_letters
from transforms.state import excluded_users, user_timelines
from transforms.user_tables import EVENTS, EXCLUDED_USERS, NEGATIVE, TIMELINES, USERS


class WorkedShard(NamedTuple):
    """What a shard comes to.

    Attributes:
        rows: by EVENTS, USERS, NEGATIVE, TIMELINES and, where rates of events are limited,
            EXCLUDED_USERS tables of rows.
        letters: rows of dead_letter_events, of events that have the id of another one, and of users
            who are left out, where these are kept.
        contributions: the sum over its users.
        counts: of events, duplicates, those that are left out, and `letters`.
        events_of_users: int64 [users], how many events each has.
    """

    rows: dict[str, pa.Table]
    letters: pa.Table
    contributions: Counters
    counts: RunCounts
    events_of_users: NDArray[np.int64]


def worked_out(
    batches: list[pa.RecordBatch],
    types: FigureSettings,
    written_at: datetime,
    version: str,
    rates: Rates = NO_RATES,
) -> WorkedShard:
    """What follows from the events of a shard.

    Args:
        batches: all events of its users, with the schema EVENT_BATCH or IDENTIFIED_BATCH; emptied,
            for memory.
        types: the event types, and which make a user active.
        written_at: the moment of writing, in UTC without a zone.
        version: the pipeline's; dead letters carry it.
        rates: how many events a user may have.
    """
    moment = pa.scalar(written_at, pa.timestamp("us"))
    found = _let_in(batches, types, Stamp(written_at, version), rates)
    events, lives = found.events, found.lives
    users = dim_users.rows(lives, types.codes, moment)
    rows = {
        EVENTS: fct_events.rows(events, number_sessions(events), moment),
        USERS: users,
        NEGATIVE: users_with_negative_miles.rows(users),
        TIMELINES: user_timelines.rows(lives, moment),
    }
    if rates.is_any:
        rows[EXCLUDED_USERS] = excluded_users.rows(found.users, moment)
    letters = dead_letter_events.rows_of_sources(events.conflicts, written_at, version)
    counts = RunCounts(events=len(events.time_us), duplicates=events.duplicates)
    return WorkedShard(
        rows,
        pa.concat_tables([letters, found.letters]),
        contributions(lives, types.codes, types.reckoning),
        RunCounts.total([counts, count_dead_letters(letters), found.counts]),
        lives.per_user(lives.events),
    )


class _LetIn(NamedTuple):
    """The events of a shard without those of users who are left out.

    Attributes:
        events: they.
        lives: the timelines of their users.
        users: who is left out, with the schema FOUND.
        letters: rows of dead_letter_events, of who is left out, where they are kept.
        counts: of who is left out.
    """

    events: SortedEvents
    lives: Timelines
    users: pa.Table = NOBODY
    letters: pa.Table = NO_LETTERS
    counts: RunCounts = RunCounts()


def _let_in(
    batches: list[pa.RecordBatch], types: FigureSettings, stamp: Stamp, rates: Rates
) -> _LetIn:
    """The events of a shard, whose batches are emptied."""
    events = sort_events(batches, types.known, types.reckoning)
    if not rates.is_any:
        batches.clear()
        return _LetIn(events, timelines(events))
    lives = timelines(events)
    users = over(lives, rates, types.reckoning)
    others, came = without(batches, users)
    batches.clear()
    if not came:
        return _LetIn(events, lives)
    letters = letters_of(came, users, types, stamp) if rates.keep else NO_LETTERS
    counts = counts_of(came, Timelines.none(), users, letters)
    events = sort_events(others, types.known, types.reckoning)
    return _LetIn(events, timelines(events), users, letters, counts)
