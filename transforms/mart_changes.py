"""What an increment changes in the tables: rows that are new or differ, keys that leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.kernels.increments import Advanced
from transforms.kernels.row_differences import differences
from transforms.kernels.spine import lay_out
from transforms.kernels.timelines import Timelines
from transforms.marts import dim_users, fct_events, users_with_negative_miles
from transforms.marts.registry import FINISH, TABLES
from transforms.state import growth_counters


class ChangedEvents(NamedTuple):
    """Rows of fct_events: `new` ones are not stored yet, `renumbered` ones are, otherwise."""

    new: pa.Table
    renumbered: pa.Table


def changed_events(step: Advanced, written_at: pa.Scalar) -> ChangedEvents:
    """The rows of fct_events that an increment makes or changes, by user, time and id."""
    rows = fct_events.rows(step.events, step.sessions, written_at)
    new = pa.array(step.is_new)
    return ChangedEvents(rows.filter(new), rows.filter(pc.invert(new)))


class ChangedUsers(NamedTuple):
    """What becomes of users whose timelines are others.

    Attributes:
        users: rows of dim_users.
        negative: rows of users_with_negative_miles.
        recovered: keys that leave users_with_negative_miles.
    """

    users: pa.Table
    negative: pa.Table
    recovered: pa.Table


def changed_users(
    before: Timelines,
    after: Timelines,
    active_types: Sequence[int],
    written_at: pa.Scalar | pa.Array,
) -> ChangedUsers:
    """The rows of user tables that change.

    Args:
        before: the timelines that users had; of those who are new none.
        after: the timelines that they have now, with other events than before: so all differ.
        active_types: codes of the event types that make a user active.
        written_at: the moment of writing, or one for each user of `after`.
    """
    users = dim_users.rows(after, active_types, written_at)
    was_negative = pa.array(users_with_negative_miles.negative_users(before), pa.string())
    sound = users.filter(pc.invert(users["has_negative_balance"]))
    recovered = sound.filter(pc.is_in(sound["user_id"], was_negative))
    return ChangedUsers(
        users,
        users_with_negative_miles.rows(users),
        users_with_negative_miles.deletes(recovered),
    )


class Finished(NamedTuple):
    """What another sum of counters makes of the marts.

    Attributes:
        changed: by the names of marts and of growth_counters, the rows that are new or differ, and
            by those of their `deletes` the keys of rows that are no more, as of a cohort whose last
            user turns out to have come earlier; none of no row.
        marts: by name, all rows.
    """

    changed: Mapping[str, pa.Table]
    marts: Mapping[str, pa.Table]


class Finishing:
    """What another sum of counters makes of the marts; remembers those of the last sum.

    A process that goes from flush to flush finishes each sum once by that, not twice. The memory
    is of no other sum than that of which it was made: after a commit that failed, or what somebody
    else wrote, `before` is another one, and its marts are finished anew.

    Args:
        figures: the settings by which they are made.
    """

    def __init__(self, figures: FigureSettings = FigureSettings()) -> None:
        self._figures = figures
        self._sum = Counters.empty()
        self._marts: Mapping[str, pa.Table] = {}

    def __call__(self, before: Counters, after: Counters, written_at_us: int) -> Finished:
        """See `finish`."""
        is_known = self._marts and self._sum == before
        was = self._marts if is_known else marts_of(before, figures=self._figures)
        found = _compared(before, after, was, written_at_us, self._figures)
        self._sum, self._marts = after, found.marts
        return found


def finish(
    before: Counters,
    after: Counters,
    written_at_us: int,
    figures: FigureSettings = FigureSettings(),
) -> Finished:
    """What another sum makes of the marts.

    Args:
        before, after: the sums over all users.
        written_at_us: the moment of writing, in microseconds since 1970-01-01.
        figures: the settings by which they are made.
    """
    was = marts_of(before, figures=figures)
    return _compared(before, after, was, written_at_us, figures)


def marts_of(
    counters: Counters, written_at_us: int = 0, figures: FigureSettings = FigureSettings()
) -> dict[str, pa.Table]:
    """All rows of the marts of a sum over all users, by the names of their tables."""
    spine = lay_out(
        counters, pa.scalar(written_at_us, pa.timestamp("us")), figures.known, figures.reckoning
    )
    return {name: rows(spine) for name, rows in FINISH.items()}


def _compared(
    before: Counters,
    after: Counters,
    was: Mapping[str, pa.Table],
    written_at_us: int,
    figures: FigureSettings,
) -> Finished:
    written_at = pa.scalar(written_at_us, pa.timestamp("us"))
    marts = marts_of(after, written_at_us, figures)
    sums = growth_counters.changes(before, after, written_at)
    counters = growth_counters.TABLE
    changes = {counters.name: sums.rows, counters.deletes.name: sums.deletes}
    for name, now in marts.items():
        table = TABLES[name]
        apart = [table.written_at] if table.written_at else []
        found = differences(now, was[name], table.primary_key, apart)
        changes[name] = found.changed
        changes[table.deletes.name] = _leaving(table, found.gone, written_at)
    return Finished({name: rows for name, rows in changes.items() if rows.num_rows}, marts)


def _leaving(table: Table, gone: pa.Table, written_at: pa.Scalar) -> pa.Table:
    """The rows of `table.deletes` that take some rows out now."""
    keys = gone.select(list(table.deletes.column_names))
    if table.written_at is None:
        return keys
    place = table.deletes.column_names.index(table.written_at)
    return keys.set_column(place, keys.field(place), pa.repeat(written_at, keys.num_rows))
