"""Timelines: what the marts need to know of each user, as flat arrays with user offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.calendar import date_of
from transforms.kernels.counters import check_int64
from transforms.kernels.hashing import Hashes
from transforms.kernels.order import by_user_and_time
from transforms.kernels.own_events import OwnEvents
from transforms.kernels.session_spans import SessionSpans
from transforms.kernels.sessions import SortedEvents, ranked, sort_events
from transforms.reckoning import Reckoning
from transforms.vocabulary import EVENT_TYPES, MILES_EARNED, MILES_REDEEMED, PLATFORMS

_TEXTS: Final = ("user_id", "first_utm_source", "first_country")
_OF_DAYS: Final = ("date", "type_events", "platform_events", "miles_earned", "miles_redeemed")
_OF_USERS: Final = ("first_seen_us", "last_seen_us", "first_platform")


@dataclass(frozen=True)
class Timelines:
    """The timelines of many users: per user the first and last event, per date what happened.

    Attributes:
        user_id: string [users].
        day_offsets: int64 [users + 1]; user u has the days day_offsets[u]:day_offsets[u + 1], in
            ascending order, at least one.
        date: int64 [days], days since 1970-01-01.
        type_events: int64 [days, 5], events by index in EVENT_TYPES.
        platform_events: int64 [days, 3], events by index in PLATFORMS.
        miles_earned, miles_redeemed: int64 [days].
        own_events: events of types beyond EVENT_TYPES, of the days.
        first_seen_us, last_seen_us: int64 [users], microseconds since 1970-01-01.
        first_platform: int8 [users], index in PLATFORMS.
        first_utm_source, first_country: string [users], NULL where the first event has none.
        first_id: [users], the id of the first event.
        sessions: of the users.
    """

    user_id: pa.Array
    day_offsets: NDArray[np.int64]
    date: NDArray[np.int64]
    type_events: NDArray[np.int64]
    platform_events: NDArray[np.int64]
    miles_earned: NDArray[np.int64]
    miles_redeemed: NDArray[np.int64]
    own_events: OwnEvents
    first_seen_us: NDArray[np.int64]
    last_seen_us: NDArray[np.int64]
    first_platform: NDArray[np.int8]
    first_utm_source: pa.Array
    first_country: pa.Array
    first_id: Hashes
    sessions: SessionSpans

    @classmethod
    def none(cls) -> Timelines:
        """Those of no user."""
        return timelines(sort_events([]))

    @classmethod
    def concat(cls, parts: Sequence[Timelines]) -> Timelines:
        """The timelines of one or more parts side by side, in their order; users may repeat."""
        arrays = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in (*_OF_DAYS, *_OF_USERS)
        }
        texts = {name: pa.concat_arrays([getattr(part, name) for part in parts]) for name in _TEXTS}
        days = np.concatenate([np.diff(part.day_offsets) for part in parts])
        ids = Hashes.concat([part.first_id for part in parts])
        return cls(
            day_offsets=np.append(0, np.cumsum(days)),
            first_id=ids,
            own_events=OwnEvents.concat(
                [part.own_events for part in parts], [len(part.date) for part in parts]
            ),
            sessions=SessionSpans.concat([part.sessions for part in parts]),
            **arrays,
            **texts,
        )

    @classmethod
    def total(cls, parts: Sequence[Timelines], reckoning: Reckoning) -> Timelines:
        """The timelines of the events of one or more parts together; no event is in two of them.

        Args:
            parts: the parts, whose time is reckoned alike.
            reckoning: how.

        Raises:
            DataError: if the miles of a user's day add up to more than INT64 holds.
        """
        user_ids, user = ranked(pa.chunked_array([part.user_id for part in parts]))
        firsts = np.cumsum([0, *(len(part) for part in parts)])
        user_of_day = [part.user_of_day + at for part, at in zip(parts, firsts[:-1], strict=True)]
        return cls(
            user_id=user_ids,
            **_total_days(parts, user[np.concatenate(user_of_day)], len(user_ids)),
            **_total_users(parts, user),
            sessions=SessionSpans.total(
                [part.sessions for part in parts], user, len(user_ids), reckoning.session_gap_us
            ),
        )

    def __len__(self) -> int:
        return len(self.day_offsets) - 1

    def between(self, start: int, stop: int) -> Timelines:
        """The timelines of the users from `start` to below `stop`; nothing is copied."""
        offsets = self.day_offsets[start : stop + 1]
        days = slice(offsets[0], offsets[-1])
        sessions = self.sessions.between(start, stop)
        own = self.own_events.between(*offsets[[0, -1]].tolist())
        return self._of(slice(start, stop), days, offsets - offsets[0], own, sessions)

    def take(self, users: NDArray[np.int64]) -> Timelines:
        """The timelines of some users, by their indices and in this order."""
        days = np.diff(self.day_offsets)[users]
        offsets = np.append(0, np.cumsum(days))
        rows = np.arange(offsets[-1]) + np.repeat(self.day_offsets[users] - offsets[:-1], days)
        own = self.own_events.take(rows, len(self.date))
        return self._of(users, rows, offsets, own, self.sessions.take(users))

    def on_days(self, days: NDArray[np.bool_], sessions: SessionSpans) -> Timelines:
        """The same users with some of their days, at least one each, and other sessions.

        Args:
            days: bool [days], which.
            sessions: of the users.
        """
        counts = np.add.reduceat(days, self.day_offsets[:-1], dtype=np.int64)
        offsets = np.append(0, np.cumsum(counts))
        kept = np.flatnonzero(days)
        own = self.own_events.take(kept, len(self.date))
        return self._of(slice(None), kept, offsets, own, sessions)

    def _of(
        self,
        users: Any,
        days: Any,
        offsets: NDArray[np.int64],
        own_events: OwnEvents,
        sessions: SessionSpans,
    ) -> Timelines:
        taken = users if isinstance(users, slice) else pa.array(users)
        return Timelines(
            day_offsets=offsets,
            first_id=self.first_id[users],
            own_events=own_events,
            sessions=sessions,
            **{name: getattr(self, name)[days] for name in _OF_DAYS},
            **{name: getattr(self, name)[users] for name in _OF_USERS},
            **{
                name: text[taken] if isinstance(users, slice) else text.take(taken)
                for name in _TEXTS
                for text in [getattr(self, name)]
            },
        )

    @property
    def user_of_day(self) -> NDArray[np.int64]:
        """int64 [days]: the index of each day's user."""
        return np.repeat(np.arange(len(self)), np.diff(self.day_offsets))

    @property
    def first_dates(self) -> NDArray[np.int64]:
        """int64 [users]: the first date on which each user has an event."""
        return self.date[self.day_offsets[:-1]]

    @property
    def last_dates(self) -> NDArray[np.int64]:
        """int64 [users]: the last date on which each user has an event."""
        return self.date[self.day_offsets[1:] - 1]

    @property
    def events(self) -> NDArray[np.int64]:
        """int64 [days]: how many events each day has, of all types; each has one platform."""
        total: NDArray[np.int64] = self.platform_events.sum(axis=1)
        return total

    def active_days(self, active_types: Sequence[int]) -> NDArray[np.bool_]:
        """bool [days]: on which days a user is active (rule 4).

        Args:
            active_types: codes of the event types that make a user active.
        """
        of_five = [code for code in active_types if code < len(EVENT_TYPES)]
        if len(set(of_five)) == len(EVENT_TYPES) and not len(self.own_events):
            return np.ones(len(self.date), np.bool_)
        active: NDArray[np.bool_] = self.type_events[:, of_five].sum(axis=1) > 0
        active[self.own_events.active_days(active_types)] = True
        return active

    def per_user(self, per_day: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sums over each user's days: [days, ...] -> [users, ...]."""
        return _sums(per_day, self.day_offsets[:-1])


class Firsts(NamedTuple):
    """Of users the first event's attributes, as `Timelines` has them: [users] each."""

    first_platform: NDArray[np.int8]
    first_utm_source: pa.Array
    first_country: pa.Array
    first_id: Hashes


class Facts(NamedTuple):
    """What timelines count of events, sorted by user and time: [events] each.

    Attributes:
        user_starts_mask: true at each user's first event.
        time_us, event_type, platform: as `SortedEvents` has them.
        miles: int64, 0 for NULL.
    """

    user_starts_mask: NDArray[np.bool_]
    time_us: NDArray[np.int64]
    event_type: NDArray[np.int8]
    platform: NDArray[np.int8]
    miles: NDArray[np.int64]


def timelines(events: SortedEvents) -> Timelines:
    """The timelines of the users of `events`, in the order of their user ids.

    Raises:
        DataError: if the miles of these events add up to more than INT64 holds.
    """
    table = events.table
    starts = np.flatnonzero(events.user_starts_mask)
    facts = Facts(
        events.user_starts_mask,
        events.time_us,
        events.event_type,
        events.platform,
        # Each kind by itself must add up to what INT64 holds.
        _miles(table, events.event_type == MILES_EARNED)
        + _miles(table, events.event_type == MILES_REDEEMED),
    )
    firsts = Firsts(
        events.platform[starts],
        _strings(table["utm_source"], starts),
        _strings(table["country"], starts),
        events.ids[starts],
    )
    return timelines_of(events.user_ids, facts, firsts, events.reckoning)


def timelines_of(
    user_ids: pa.Array, facts: Facts, firsts: Firsts, reckoning: Reckoning
) -> Timelines:
    """The timelines of users from what is counted of their events.

    Args:
        user_ids: string [users], in the order in which `facts` has them.
        facts: of one event of each user at least; its miles add up to what INT64 holds.
        firsts: of the users.
        reckoning: how time is reckoned.
    """
    user_starts = np.flatnonzero(facts.user_starts_mask)
    user_ends = (np.append(user_starts[1:], len(facts.time_us)) - 1)[: len(user_starts)]
    first_seen_us, last_seen_us = facts.time_us[user_starts], facts.time_us[user_ends]
    sessions = SessionSpans.of_events(
        facts.user_starts_mask, facts.time_us, reckoning.session_gap_us
    )
    facts, days = _by_date(facts, date_of(facts.time_us, reckoning))
    day_starts = np.flatnonzero(facts.user_starts_mask | _changes(days))
    day_of_event = np.repeat(np.arange(len(day_starts)), np.diff(np.append(day_starts, len(days))))
    earned = np.where(facts.event_type == MILES_EARNED, facts.miles, 0)
    redeemed = np.where(facts.event_type == MILES_REDEEMED, facts.miles, 0)
    return Timelines(
        user_id=user_ids,
        day_offsets=np.append(np.searchsorted(day_starts, user_starts), len(day_starts)),
        date=days[day_starts],
        type_events=_type_events(day_of_event, facts.event_type, len(day_starts)),
        own_events=OwnEvents.of_events(day_of_event, facts.event_type),
        platform_events=_count(day_of_event, facts.platform, len(day_starts), len(PLATFORMS)),
        miles_earned=_sums(earned, day_starts),
        miles_redeemed=_sums(redeemed, day_starts),
        first_seen_us=first_seen_us,
        last_seen_us=last_seen_us,
        sessions=sessions,
        **firsts._asdict(),
    )


def _by_date(facts: Facts, dates: NDArray[np.int64]) -> tuple[Facts, NDArray[np.int64]]:
    """Facts and their dates by user and date. They are, but where a date comes back that was over,
    as it does in some zones."""
    if not (~facts.user_starts_mask[1:] & (dates[1:] < dates[:-1])).any():
        return facts, dates
    user = np.cumsum(facts.user_starts_mask)
    order = np.lexsort((dates, user))
    # The masks of users stay: each one's rows do.
    by_date = facts._replace(
        time_us=facts.time_us[order],
        event_type=facts.event_type[order],
        platform=facts.platform[order],
        miles=facts.miles[order],
    )
    return by_date, dates[order]


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    changed = np.empty(len(values), np.bool_)
    changed[:1] = True
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def _type_events(
    rows: NDArray[np.int64], codes: NDArray[np.int8], n_rows: int
) -> NDArray[np.int64]:
    five = codes < len(EVENT_TYPES)
    if not five.all():
        rows, codes = rows[five], codes[five]
    return _count(rows, codes, n_rows, len(EVENT_TYPES))


def _count(
    rows: NDArray[np.int64], codes: NDArray[np.int8], n_rows: int, n_codes: int
) -> NDArray[np.int64]:
    flat = np.bincount(rows * n_codes + codes, minlength=n_rows * n_codes)
    return flat.reshape(n_rows, n_codes).astype(np.int64, copy=False)


def _miles(table: pa.Table, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The miles of the wanted events, 0 of the others."""
    known: NDArray[np.int64] = table["miles_amount"].combine_chunks().fill_null(0).to_numpy()
    miles = np.where(wanted, known, 0)
    # int64 sums wrap around silently; the sums of the halves can't.
    total = (int((miles >> 32).sum()) << 32) + int((miles & 0xFFFFFFFF).sum())
    if total >= 2**63:
        largest = int(np.argmax(miles))
        raise DataError(
            "the miles_amount values add up to more than INT64 holds (9.2e18); the largest is "
            f"{miles[largest]}, of user {table['user_id'][largest].as_py()!r} at "
            f"{table['event_time'][largest].as_py().isoformat()}Z: correct or remove such events "
            "and run again"
        )
    return miles


def _sums(values: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(starts):
        return np.zeros((0, *values.shape[1:]), np.int64)
    return np.add.reduceat(values, starts, axis=0)


def _strings(column: pa.ChunkedArray, rows: NDArray[np.int64]) -> pa.Array:
    return column.take(pa.array(rows)).combine_chunks().cast(pa.string())


def _total_days(parts: Sequence[Timelines], user: NDArray[np.int64], users: int) -> dict[str, Any]:
    """The fields of days, for the days of `parts` with the index of each one's user."""
    date = np.concatenate([part.date for part in parts])
    order = by_user_and_time(user, date)
    user, date = user[order], date[order]
    starts = np.flatnonzero(_changes(user) | _changes(date))
    summed = {}
    for name in ("type_events", "platform_events", "miles_earned", "miles_redeemed"):
        values = np.concatenate([getattr(part, name) for part in parts])[order]
        if name.startswith("miles"):
            check_int64((name,), values[:, np.newaxis], starts)
        summed[name] = _sums(values, starts)
    own = OwnEvents.concat([part.own_events for part in parts], [len(part.date) for part in parts])
    days = np.bincount(user[starts], minlength=users)
    return {
        "day_offsets": np.append(0, np.cumsum(days)),
        "date": date[starts],
        "own_events": own.joined(order, starts),
        **summed,
    }


def _total_users(parts: Sequence[Timelines], user: NDArray[np.int64]) -> dict[str, Any]:
    """The fields of users, for the users of `parts` with the index of each."""
    seen = np.concatenate([part.first_seen_us for part in parts])
    ids = Hashes.concat([part.first_id for part in parts])
    order = np.lexsort((ids.low, ids.high, seen, user))
    starts = np.flatnonzero(_changes(user[order]))
    first = order[starts]
    last_seen = np.concatenate([part.last_seen_us for part in parts])[order]
    return {
        "first_seen_us": seen[first],
        "last_seen_us": np.maximum.reduceat(last_seen, starts) if len(starts) else last_seen,
        "first_platform": np.concatenate([part.first_platform for part in parts])[first],
        "first_id": ids[first],
        **{
            name: pa.concat_arrays([getattr(part, name) for part in parts]).take(pa.array(first))
            for name in ("first_utm_source", "first_country")
        },
    }
