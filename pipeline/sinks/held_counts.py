"""What the tables hold of what a flush has counted."""

from __future__ import annotations

from pipeline.sinks.flush_state import Held, SealedFlush
from pipeline.warehouse import TableReader
from transforms.marts import (
    dead_letter_events,
    dim_users,
    fct_events,
    users_with_negative_miles,
)
from transforms.state import user_timelines


def held(reader: TableReader, flush: SealedFlush, awaited: bool) -> Held:
    """What the tables hold of what a flush has counted.

    Args:
        reader: of the tables.
        flush: once it is committed.
        awaited: whether `complete` is asked for, for which dim_users is read now and then.

    Raises:
        RunError: if the warehouse can't be read.
    """
    events, dead_letters = (
        reader.count(table) or 0 for table in (fct_events.TABLE, dead_letter_events.TABLE)
    )
    if not awaited:
        return Held(events, dead_letters)
    counts = flush.counts
    found = (events, dead_letters, flush.in_marts, counts.processed)
    counted = (counts.events, counts.rejected, counts.events, counts.input_rows)
    return Held(events, dead_letters, found == counted and _users_hold(reader, events))


def _users_hold(reader: TableReader, events: int) -> bool:
    """Whether the tables of users hold so many events."""
    (of_users,), (of_state,) = reader.ask([_of_users(reader), _of_timelines(reader)])
    negative = reader.count(users_with_negative_miles.TABLE)
    found = (of_users["events"], of_users["negative"], of_state["behind"])
    return found == (events, negative, 0)


def _of_timelines(reader: TableReader) -> str:
    """SQL for how many users have no timeline yet, or not the one of their row in dim_users: both
    are made at the same moment, and staged by themselves."""
    return (
        f"SELECT COUNT(*) AS behind FROM {reader.source(dim_users.TABLE)} AS u "
        f"LEFT JOIN {reader.source(user_timelines.TABLE)} AS t ON t.user_id = u.user_id "
        "WHERE t.user_id IS NULL OR t.written_at <> u.updated_at"
    )


def _of_users(reader: TableReader) -> str:
    """SQL for how many events the users of dim_users have, and how many have a negative balance."""
    events = " + ".join(dim_users.COUNT_COLUMNS.values())
    negative = "CASE WHEN has_negative_balance THEN 1 ELSE 0 END"
    return (
        f"SELECT COALESCE(SUM({events}), 0) AS events, COALESCE(SUM({negative}), 0) AS negative "
        f"FROM {reader.source(dim_users.TABLE)}"
    )
