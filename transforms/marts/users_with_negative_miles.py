"""users_with_negative_miles: the rows of dim_users with a negative balance."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract import INTEGER, TIMESTAMP, Table, required
from transforms.kernels.timelines import Timelines
from transforms.marts import dim_users
from transforms.measures import MILES_ONCE
from transforms.quality.declaration import Holds, InRange, References, at_least

_SHARED = (
    "user_id",
    "first_seen_at",
    "last_seen_at",
    "total_miles_earned",
    "total_miles_redeemed",
    "current_miles_balance",
)

TABLE = Table(
    name="users_with_negative_miles",
    description="The users who have redeemed more miles than they earned.",
    columns=(
        *(
            replace(column, checks=(InRange(high=-1),))
            if column.name == "current_miles_balance"
            else column
            for column in dim_users.TABLE.columns
            if column.name in _SHARED
        ),
        required(
            "negative_amount",
            INTEGER,
            "Absolute value of the negative balance, in miles",
            at_least(1),
            measure=MILES_ONCE,
        ),
        required("flagged_at", TIMESTAMP, "When the row was written"),
    ),
    clustering=("user_id",),
    primary_key=("user_id",),
    written_at="flagged_at",
    checks=(
        References("user_id", "dim_users", "user_id"),
        Holds(
            "negative_amount_of_balance",
            "negative_amount = -current_miles_balance",
            "negative_amount is the balance without its sign",
        ),
        *(
            Holds(
                f"{name}_of_dim_users",
                f"{name} = dim_users.{name}",
                f"{name} is that of the user in dim_users",
            )
            for name in _SHARED
            if name != "user_id"
        ),
    ),
)


def rows(users: pa.Table) -> pa.Table:
    """The rows of users_with_negative_miles among `users`, rows of dim_users."""
    negative = users.filter(users["has_negative_balance"])
    return TABLE.build(
        {
            **{name: negative[name] for name in _SHARED},
            "negative_amount": pc.negate(negative["current_miles_balance"]),
            "flagged_at": negative["updated_at"],
        }
    )


def deletes(users: pa.Table) -> pa.Table:
    """The keys with which `users`, rows of dim_users, leave users_with_negative_miles."""
    return TABLE.deletes.build({"user_id": users["user_id"], "flagged_at": users["updated_at"]})


def negative_users(timelines: Timelines) -> list[str]:
    """The ids of the users of `timelines` who have redeemed more miles than they earned."""
    earned = timelines.per_user(timelines.miles_earned)
    redeemed = timelines.per_user(timelines.miles_redeemed)
    ids: list[str] = timelines.user_id.filter(pa.array(earned < redeemed)).to_pylist()
    return ids
