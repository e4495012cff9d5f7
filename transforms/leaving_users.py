"""Users whose rows leave all tables, be it for good or to come back under other ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from transforms.contract import Table
from transforms.kernels.timelines import Timelines
from transforms.marts import dim_users, fct_events, users_with_negative_miles
from transforms.state import user_timelines
from transforms.touched_dates import TOUCHED

# By the name of a table of users the columns by whose values rows leave it, with those of its
# partitions.
LEAVE_BY: Final[Mapping[str, tuple[str, ...]]] = {
    fct_events.TABLE.name: ("user_id", "event_date"),
    dim_users.TABLE.name: ("user_id", "first_seen_date"),
    users_with_negative_miles.TABLE.name: ("user_id",),
    user_timelines.TABLE.name: ("user_id",),
}
# The contracts of the values by which they leave.
LEAVING: Final = tuple(
    table.matching(LEAVE_BY[table.name])
    for table in (
        fct_events.TABLE,
        dim_users.TABLE,
        users_with_negative_miles.TABLE,
        user_timelines.TABLE,
    )
)


def dates_of(lives: Timelines) -> pa.Table:
    """On which dates users have events: user_id and event_date, as fct_events has them."""
    return pa.table(
        {
            "user_id": lives.user_id.take(pa.array(lives.user_of_day)),
            "event_date": pa.array(lives.date.astype("datetime64[D]")),
        }
    )


def keys_of_events(lives: Timelines) -> pa.Table:
    """By which users' events are looked up: their dates, with the contract TOUCHED."""
    dates = dates_of(lives)
    return TOUCHED.build({name: dates[name] for name in dates.column_names})


def leaving_users(lives: Timelines) -> dict[str, pa.Table]:
    """By the names of contracts, the values by which users leave the tables of users.

    Args:
        lives: all their timelines.
    """
    first_dates = lives.first_dates.astype("datetime64[D]")
    users = pa.table({"user_id": lives.user_id, "first_seen_date": pa.array(first_dates)})
    leave = {
        fct_events.TABLE: dates_of(lives),
        dim_users.TABLE: users,
        users_with_negative_miles.TABLE: users,
        user_timelines.TABLE: users,
    }
    return dict(leaving_values(table, LEAVE_BY[table.name], rows) for table, rows in leave.items())


def leaving_values(table: Table, columns: Sequence[str], rows: pa.Table) -> tuple[str, pa.Table]:
    """The values by which rows leave a table, and the name of their contract.

    Args:
        table: the contract of the table.
        columns: those that are compared.
        rows: which have them, among others.
    """
    contract = table.matching(tuple(columns))
    return contract.name, contract.build({name: rows[name] for name in columns})
