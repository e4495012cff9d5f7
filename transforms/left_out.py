"""What becomes of the events of users whom the rules leave out for a rate of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import pyarrow as pa

from transforms.figure_settings import FigureSettings
from transforms.kernels.rates import KEPT_SOURCE, as_letters, by_rule, rules_of
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines
from transforms.marts import dead_letter_events
from transforms.parse_step import count_dead_letters

NO_LETTERS: Final = dead_letter_events.TABLE.arrow_schema.empty_table()


class Stamp(NamedTuple):
    """What dead letters carry: the moment of writing, in UTC without a zone, and the pipeline's
    version."""

    written_at: datetime
    version: str


def letters_of(
    events: Sequence[pa.RecordBatch], users: pa.Table, types: FigureSettings, stamp: Stamp
) -> pa.Table:
    """The distinct events of users who are left out, as rows of dead_letter_events.

    Args:
        events: of `users` alone, with the schema EVENT_BATCH or IDENTIFIED_BATCH.
        users: with the columns user_id and rule.
        types: the settings by which the tables are built.
        stamp: what they carry.
    """
    if not events:
        return NO_LETTERS
    found = as_letters(sort_events(events, types.known, types.reckoning), users)
    return dead_letter_events.rows(found, KEPT_SOURCE, *stamp)


def counts_of(
    came: Sequence[pa.RecordBatch], left: Timelines, users: pa.Table, letters: pa.Table
) -> RunCounts:
    """How many events are left out: those that are dead letters, and the others by rule.

    Args:
        came: those that the run has read, of `users` alone, repeated ones too.
        left: the timelines of those of `users` who leave the tables.
        users: with the columns user_id and rule.
        letters: as `letters_of` gives them.
    """
    rows, taken_back = Counter(by_rule(came, users)), left.per_user(left.events).tolist()
    for rule, events in zip(rules_of(left.user_id, users).to_pylist(), taken_back, strict=True):
        rows[rule] += events
    rows.subtract(by_rule(letters.to_batches(), users))
    counts = RunCounts(excluded=+rows, taken_back=sum(taken_back))
    return RunCounts.total([counts, count_dead_letters(letters)])
