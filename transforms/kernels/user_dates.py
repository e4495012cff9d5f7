"""Which dates of which users have stored events, and which of them are still to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.calendar import as_dates, date_of, other_dates
from transforms.kernels.sessions import SortedEvents
from transforms.kernels.timelines import Timelines
from transforms.reckoning import PLAIN, Reckoning

_DATE_BITS: Final = 22  # Dates up to the year 13000.


@dataclass(frozen=True)
class UserDates:
    """Dates of users, of each pair one.

    Attributes:
        user_id: string [n].
        date: int64 [n], days since 1970-01-01.
    """

    user_id: pa.Array
    date: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.date)


@dataclass(frozen=True)
class StoredDates:
    """The dates of which users have events, by (user's index << _DATE_BITS | date).

    Attributes:
        user_ids: string [users].
        had: int64 [n], ascending: dates on which users had events.
        read: int64 [m], ascending: dates whose stored events are there.
    """

    user_ids: pa.Array
    had: NDArray[np.int64]
    read: NDArray[np.int64]

    @classmethod
    def of(cls, before: Timelines, found: SortedEvents, is_new: NDArray[np.bool_]) -> StoredDates:
        """Those of the users of some events, of which some are stored.

        Raises:
            DataError: if of a date some stored events are there, and not all.
        """
        places = pc.index_in(before.user_id, value_set=found.user_ids).fill_null(-1).to_numpy()
        user = places.astype(np.int64)[before.user_of_day]
        ours = user >= 0
        had = user[ours] << _DATE_BITS | before.date[ours]
        counts = before.events[ours]
        order = np.argsort(had, kind="stable")
        had, counts = had[order], counts[order]
        stored = (found.user_of_event << _DATE_BITS | dates_of(found))[~is_new]
        read, rows = np.unique(stored, return_counts=True)
        place = np.minimum(np.searchsorted(had, read), max(len(had) - 1, 0))
        expected = np.where(had[place] == read, counts[place], 0) if len(had) else 0 * rows
        for wrong in np.flatnonzero(expected != rows)[:1].tolist():
            user_id = found.user_ids[int(read[wrong]) >> _DATE_BITS].as_py()
            date = as_dates(read[wrong : wrong + 1] & ((1 << _DATE_BITS) - 1))[0]
            raise DataError(
                f"fct_events has {rows[wrong]} events of user {user_id!r} on {date}, and the "
                f"user's timeline {expected[wrong]}: another program has changed one of them; "
                "build the tables again with rebuild, or batch over the source files"
            )
        return cls(found.user_ids, had, read)

    def unread(self, user: NDArray[np.int64], date: NDArray[np.int64]) -> UserDates:
        """Which of some dates of users have stored events that are not there."""
        keys = np.unique(user << _DATE_BITS | date)
        keys = keys[_among(keys, self.had) & ~_among(keys, self.read)]
        users = self.user_ids.take(pa.array(keys >> _DATE_BITS))
        return UserDates(users, keys & ((1 << _DATE_BITS) - 1))


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which keys are among known ones, both ascending; np.isin would look at all known ones."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    found: NDArray[np.bool_] = known[places] == keys
    return found


def touched_dates(events: pa.RecordBatch, reckoning: Reckoning = PLAIN) -> UserDates:
    """The dates whose stored events some events may meet, whether there are any or not.

    They are the dates of the events, and others where an event is less than a session's gap away.

    Args:
        events: with the schema EVENT_BATCH.
        reckoning: how time is reckoned.
    """
    users = events["user_id"].dictionary_encode()
    user = users.indices.to_numpy().astype(np.int64)
    time_us = events["event_time"].cast(pa.int64()).to_numpy()
    rows, others = near_dates(time_us, reckoning)
    keys = np.unique(
        np.concatenate([user, user[rows]]) << _DATE_BITS
        | np.concatenate([date_of(time_us, reckoning), others])
    )
    return UserDates(
        users.dictionary.take(pa.array(keys >> _DATE_BITS)), keys & ((1 << _DATE_BITS) - 1)
    )


def dates_of(events: SortedEvents) -> NDArray[np.int64]:
    """The date of each event: int64 [events]."""
    return date_of(events.time_us, events.reckoning)


def near_dates(
    time_us: NDArray[np.int64], reckoning: Reckoning
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """On which other dates than their own instants may have an event in their session: rows of
    `time_us`, and for each one such a date."""
    reach_us = reckoning.session_gap_us - 1
    found = [other_dates(time_us, reach, reckoning) for reach in (-reach_us, reach_us)]
    rows, dates = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(dates)
