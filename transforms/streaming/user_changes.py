"""What happened to the users of a bundle -> the rows and counters that it comes to, together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.figure_settings import FigureSettings
from transforms.kernels.codecs.record_codec import sorted_events
from transforms.kernels.id_text import session_digits
from transforms.kernels.increments import change, timelines_after
from transforms.kernels.sessions import Sessions, SortedEvents
from transforms.kernels.user_head import UserHead, timelines_of_heads
from transforms.kernels.user_state import AdvancedUser, Numbered
from transforms.mart_changes import changed_users
from transforms.marts import dim_users, fct_events, users_with_negative_miles
from transforms.state import user_timelines
from transforms.user_tables import CONTRIBUTIONS


@dataclass
class _Row:
    """An event that is written: where it stands, whether it is new, and when it is written."""

    event: Numbered
    is_new: bool
    written_at_us: int


class UserChanges:
    """Changes of users, gathered one after the other, worked out all at once: NumPy takes as long
    for one user as for a hundred.

    Args:
        types: the event types, and which make a user active.

    Attributes:
        events_of_users: int64 [users], how many events each has, once there are outputs.
    """

    def __init__(self, types: FigureSettings):
        self._types = types
        self.events_of_users = np.empty(0, np.int64)
        self._before: dict[str, UserHead | None] = {}
        self._after: dict[str, UserHead] = {}
        self._rows: dict[str, dict[tuple[int, int], _Row]] = {}

    def add(
        self, user_id: str, before: UserHead | None, after: UserHead, step: AdvancedUser
    ) -> None:
        """Take note of a step of a user that has new events; the steps of a user in their order."""
        self._before.setdefault(user_id, before)
        self._after[user_id] = after
        rows = self._rows.setdefault(user_id, {})
        for events, is_new in ((step.new, True), (step.renumbered, False)):
            for event in events:
                key = event.record[1:3]
                # What is new and numbered again before it is written is still new.
                was_new = key in rows and rows[key].is_new
                rows[key] = _Row(event, is_new or was_new, after.written_at_us)

    def outputs(self) -> Iterator[tuple[str, Any]]:
        """By the names of contracts the tables of rows, those with one, and CONTRIBUTIONS."""
        if not self._after:
            return
        by_user = [
            (user_id, sorted(rows.values(), key=lambda row: row.event.record))
            for user_id, rows in sorted(self._rows.items())
        ]
        rows = [row for _, its_rows in by_user for row in its_rows]
        events = sorted_events(
            {user_id: [row.event.record for row in its_rows] for user_id, its_rows in by_user},
            self._types.known,
            self._types.reckoning,
        )
        is_new = np.array([row.is_new for row in rows])
        before = timelines_of_heads(
            {user_id: head for user_id, head in self._before.items() if head is not None},
            self._types.reckoning,
        )
        after = timelines_after(before, events.where(is_new))
        self.events_of_users = after.per_user(after.events)
        written_at = _moments(self._after[user_id] for user_id in after.user_id.to_pylist())
        users = changed_users(before, after, self._types.codes, written_at)
        stored = fct_events.rows(events, _sessions(events, rows), _moments(rows))
        for table, found in (
            (fct_events.TABLE.appended, stored.filter(pa.array(is_new))),
            (fct_events.TABLE, stored.filter(pa.array(~is_new))),
            (dim_users.TABLE, users.users),
            (users_with_negative_miles.TABLE, users.negative),
            (users_with_negative_miles.TABLE.deletes, users.recovered),
            (user_timelines.TABLE, user_timelines.rows(after, written_at)),
        ):
            if found.num_rows:
                yield table.name, found
        yield CONTRIBUTIONS, change(before, after, self._types.codes, self._types.reckoning)


def _moments(written: Iterable[UserHead | _Row]) -> pa.Array:
    return pa.array([each.written_at_us for each in written], pa.timestamp("us"))


def _sessions(events: SortedEvents, rows: Sequence[_Row]) -> Sessions:
    """The sessions of events, one for each; all of the same id are one."""
    _, session_us, sequence = map(np.array, zip(*(row.event.place for row in rows), strict=True))
    digits = session_digits(events.user_digests, events.user_of_event, session_us)
    return Sessions(sequence == 1, sequence, np.arange(len(rows), dtype=np.int32), digits)
