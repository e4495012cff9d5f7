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
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import number_sessions, sort_events
from transforms.kernels.timelines import timelines
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles
from transforms.parse_step import count_dead_letters
from transforms.state import user_timelines
from transforms.user_tables import EVENTS, NEGATIVE, TIMELINES, USERS


class WorkedShard(NamedTuple):
    """What a shard comes to.

    Attributes:
        rows: by EVENTS, USERS, NEGATIVE and TIMELINES tables of rows.
        letters: rows of dead_letter_events, of events that have the id of another one.
        contributions: the sum over its users.
        counts: of events, duplicates and `letters`.
        events_of_users: int64 [users], how many events each has.
    """

    rows: dict[str, pa.Table]
    letters: pa.Table
    contributions: Counters
    counts: RunCounts
    events_of_users: NDArray[np.int64]


def worked_out(
    batches: list[pa.RecordBatch], types: FigureSettings, written_at: datetime, version: str
) -> WorkedShard:
    """What follows from the events of a shard.

    Args:
        batches: all events of its users, with the schema EVENT_BATCH or IDENTIFIED_BATCH; emptied,
            for memory.
        types: the event types, and which make a user active.
        written_at: the moment of writing, in UTC without a zone.
        version: the pipeline's; dead letters carry it.
    """
    moment = pa.scalar(written_at, pa.timestamp("us"))
    events = sort_events(batches, types.known, types.reckoning)
    batches.clear()
    lives = timelines(events)
    users = dim_users.rows(lives, types.codes, moment)
    rows = {
        EVENTS: fct_events.rows(events, number_sessions(events), moment),
        USERS: users,
        NEGATIVE: users_with_negative_miles.rows(users),
        TIMELINES: user_timelines.rows(lives, moment),
    }
    letters = dead_letter_events.rows_of_sources(events.conflicts, written_at, version)
    counts = RunCounts(events=len(events.time_us), duplicates=events.duplicates)
    return WorkedShard(
        rows,
        letters,
        contributions(lives, types.codes, types.reckoning),
        RunCounts.total([counts, count_dead_letters(letters)]),
        lives.per_user(lives.events),
    )
