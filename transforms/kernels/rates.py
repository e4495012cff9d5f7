"""Users over a rate of events, as robots are: which they are, and their events.

Counts of distinct events only grow as events come, and sessions only join. So a user who is over a
rate stays so, and who is left out does not depend on the order in which events come.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.calendar import as_dates, date_of
from transforms.kernels.hashing import ascii_array
from transforms.kernels.id_text import event_digits
from transforms.kernels.parse import EXCLUDED
from transforms.kernels.records import Rejection, Rejections
from transforms.kernels.sessions import SortedEvents
from transforms.kernels.source_ids import source_texts
from transforms.kernels.timelines import Timelines
from transforms.reckoning import Reckoning

# The keys of the rules, in the order in which they count.
PER_DAY: Final = "events_per_day"
PER_SESSION: Final = "events_per_session"
MOST_EVENTS: Final = 1_000_000_000
# Of dead letters that are events: whose rows nobody knows any more, or several have.
KEPT_SOURCE: Final = "fct_events"
# Who is left out, by which rule, by how many events, and on which date.
FOUND: Final = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("events", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)
NOBODY: Final = FOUND.empty_table()


@dataclass(frozen=True)
class Rates:
    """How many events a user may have.

    Attributes:
        per_day: on a date; None for any number.
        per_session: in a session; None for any number.
        keep: whether the events of users who have more become dead letters.
    """

    per_day: int | None = None
    per_session: int | None = None
    keep: bool = False

    @property
    def is_any(self) -> bool:
        """Whether there is a limit."""
        return self.per_day is not None or self.per_session is not None


NO_RATES: Final = Rates()


def over(lives: Timelines, rates: Rates, reckoning: Reckoning) -> pa.Table:
    """The users who have more events than they may, with the schema FOUND, each once.

    Of several rules the first one counts; it says the date, or the session by the date on which it
    began, that has the most events, and of several the earliest.

    Args:
        lives: the timelines of users, with all of their events.
        rates: the limits.
        reckoning: how time is reckoned.
    """
    parts = [NOBODY]
    if rates.per_day is not None:
        found = _most(lives.events, lives.day_offsets, rates.per_day)
        parts.append(_found(PER_DAY, lives, found, lives.events, lives.date))
    if rates.per_session is not None:
        sessions = lives.sessions
        found = _most(sessions.events, sessions.offsets, rates.per_session)
        dates = date_of(sessions.start_us, reckoning)
        more = _found(PER_SESSION, lives, found, sessions.events, dates)
        known = pc.is_in(more["user_id"], value_set=parts[-1]["user_id"].combine_chunks())
        parts.append(more.filter(pc.invert(known)))
    return pa.concat_tables(parts).combine_chunks()


def _most(events: NDArray[np.int64], offsets: NDArray[np.int64], limit: int) -> dict[int, int]:
    """By the index of a user over a limit the row that has the most events."""
    rows = np.flatnonzero(events > limit)
    users = np.searchsorted(offsets, rows, side="right") - 1
    order = np.lexsort((rows, -events[rows], users))
    rows, users = rows[order], users[order]
    first = np.flatnonzero(np.diff(users, prepend=-1))
    return dict(zip(users[first].tolist(), rows[first].tolist(), strict=True))


def _found(
    rule: str,
    lives: Timelines,
    rows: Mapping[int, int],
    events: NDArray[np.int64],
    dates: NDArray[np.int64],
) -> pa.Table:
    at = np.array(list(rows.values()), np.int64)
    columns = [
        lives.user_id.take(pa.array(list(rows), pa.int64())),
        pa.array([rule] * len(rows), pa.string()),
        pa.array(events[at]),
        pa.array(as_dates(dates[at])),
    ]
    return pa.Table.from_arrays(columns, schema=FOUND)


def without(
    batches: Iterable[pa.RecordBatch], users: pa.Table
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Events of others than some users, and theirs.

    Args:
        batches: with a column user_id.
        users: with a column user_id.
    """
    theirs = users["user_id"].combine_chunks()
    others: list[pa.RecordBatch] = []
    of_users: list[pa.RecordBatch] = []
    for batch in batches:
        found = pc.is_in(batch["user_id"], value_set=theirs)
        if pc.any(found).as_py():
            of_users.append(batch.filter(found))
            batch = batch.filter(pc.invert(found))
        others.append(batch)
    return others, of_users


def by_rule(batches: Iterable[pa.RecordBatch], users: pa.Table) -> dict[str, int]:
    """How many rows of users are left out by each rule.

    Args:
        batches: rows of `users` alone, with a column user_id.
        users: with the columns user_id and rule.
    """
    counts: dict[str, int] = {}
    for batch in batches:
        for found in pc.value_counts(rules_of(batch["user_id"], users)).to_pylist():
            counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
    return counts


def rules_of(user_ids: pa.Array, users: pa.Table) -> pa.Array:
    """By which rule users are left out: a string array [n], NULL for one who is not.

    Args:
        user_ids: a string array [n].
        users: with the columns user_id and rule.
    """
    at = pc.index_in(user_ids, value_set=users["user_id"].combine_chunks())
    return users["rule"].combine_chunks().take(at)


def left_out_by(rule: str) -> str:
    """What is said of an event of a user whom a rule leaves out."""
    return f"exclude.{rule} of the rules leaves its user out"


def as_letters(events: SortedEvents, users: pa.Table) -> Rejections:
    """The distinct events of users as dead letters: what is known of an event, however it came.

    Args:
        events: of `users` alone.
        users: with the columns user_id and rule.
    """
    rules = rules_of(events.user_ids, users).to_pylist()
    return Rejections.of(_letters(events, rules))


def _letters(events: SortedEvents, rules: list[str]) -> Iterator[Rejection]:
    ids = ascii_array(event_digits(events.ids)).to_pylist()
    users, user_ids = events.user_of_event.tolist(), events.user_ids.to_pylist()
    codes = zip(events.event_type.tolist(), events.platform.tolist(), strict=True)
    for event_id, user, (event_type, platform), others, time_us in zip(
        ids, users, codes, events.table.to_pylist(), events.time_us.tolist(), strict=True
    ):
        event: dict[str, Any] = {
            **others,
            "user_id": user_ids[user],
            "event_type": event_type,
            "platform": platform,
        }
        line = io.StringIO(newline="")
        texts = source_texts(event, events.event_types)
        csv.writer(line, lineterminator="").writerow(texts)
        yield Rejection(
            "validate",
            EXCLUDED,
            left_out_by(rules[user]),
            line.getvalue().encode(),
            event_id,
            event_time_us=time_us,
            user_id=user_ids[user],
            event_type=events.event_types[event_type],
        )
