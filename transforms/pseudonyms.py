"""Users under pseudonyms: what the tables would hold if they had always been called so."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.figure_settings import FigureSettings
from transforms.kernels.compression import digests
from transforms.kernels.event_batch import with_identity
from transforms.kernels.event_ids import renamed as rehashed
from transforms.kernels.hashing import ascii_array
from transforms.kernels.id_text import event_digits, event_hashes
from transforms.kernels.keys import plain_strings
from transforms.kernels.sessions import number_sessions, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.marts import fct_events
from transforms.stored_events import STORED, STORED_ID, refuse_incomplete, restored

# Of two events of one instant the ids say which is the first one; so each draw may fail.
_DRAWS: Final = 64
_FIRST: Final = ("first_platform", "first_utm_source", "first_country")

Draw = Callable[[int], pa.Array]


class Renamed(NamedTuple):
    """Users under pseudonyms.

    Attributes:
        events: their rows of fct_events: with other ids of events and sessions, which are hashes
            with the user id in them, and the moments at which they were processed before.
        timelines: of each user, in the order in which they were given.
    """

    events: pa.Table
    timelines: Timelines


def drawn(users: int) -> pa.Array:
    """So many pseudonyms, of 128 random bits each."""
    return pa.array([f"forgotten-{secrets.token_hex(16)}" for _ in range(users)], pa.string())


def renamed(
    events: pa.Table,
    before: Timelines,
    draw: Draw = drawn,
    figures: FigureSettings = FigureSettings(),
    identified: bool = False,
) -> Renamed:
    """Give users pseudonyms, so that no figure changes.

    Args:
        events: all rows of fct_events that the users have, in any order.
        before: the users' timelines.
        draw: gives pseudonyms.
        figures: the settings by which the tables are made.
        identified: whether the rules name an event_id: events that are equal are several then.

    Raises:
        DataError: if the timelines are of other events.
    """
    events = _plain(events)
    refuse_incomplete(events, before)
    rows, lives, places = [], [], []
    left = np.arange(len(before))
    for attempt in range(_DRAWS):
        users = before.take(left)
        mine = events.filter(pc.is_in(events["user_id"], value_set=users.user_id))
        found = _under(mine, users, draw(len(left)), figures, identified)
        same = _begin_alike(users, found.timelines)
        if attempt == _DRAWS - 1:
            same[:] = True
        kept = found.timelines.take(np.flatnonzero(same))
        rows.append(found.events.filter(pc.is_in(found.events["user_id"], value_set=kept.user_id)))
        lives.append(kept)
        places.append(left[same])
        left = left[~same]
        if not len(left):
            break
    order = np.argsort(np.concatenate(places))
    return Renamed(pa.concat_tables(rows), Timelines.concat(lives).take(order))


def _plain(rows: pa.Table) -> pa.Table:
    columns = [plain_strings(rows[name]).combine_chunks() for name in rows.column_names]
    return pa.table(columns, names=rows.column_names)


def _under(
    events: pa.Table, users: Timelines, names: pa.Array, figures: FigureSettings, identified: bool
) -> Renamed:
    whose = pc.index_in(events["user_id"], value_set=users.user_id)
    place = events.schema.get_field_index("user_id")
    called = events.set_column(place, STORED.arrow_schema.field("user_id"), names.take(whose))
    came = restored(called.select(STORED.column_names), figures.known).events
    if identified:
        ids = rehashed(event_hashes(events[STORED_ID].combine_chunks()), digests(came["user_id"]))
        came = with_identity(came, {"stored_id": ascii_array(event_digits(ids))})
    found = sort_events([came], figures.known, figures.reckoning)
    written = events[fct_events.TABLE.written_at or ""].combine_chunks().take(pa.array(found.rows))
    rows = fct_events.rows(found, number_sessions(found), written)
    lives = timelines(found)
    return Renamed(_plain(rows), lives.take(_places(names, lives.user_id)))


def _places(wanted: pa.Array, among: pa.Array) -> NDArray[np.int64]:
    found: NDArray[np.int64] = pc.index_in(wanted, value_set=among).to_numpy().astype(np.int64)
    return found


def _begin_alike(before: Timelines, after: Timelines) -> NDArray[np.bool_]:
    """Of which users the first event is one with the same attributes: bool [users]."""
    same = np.ones(len(before), np.bool_)
    for name in _FIRST:
        was, now = (pa.array(getattr(users, name)) for users in (before, after))
        either = pc.equal(was, now).fill_null(False)
        both_null = pc.and_(pc.is_null(was), pc.is_null(now))
        same &= pc.or_(either, both_null).to_numpy(zero_copy_only=False)
    return same
