"""excluded_users: one row per user whom the rules leave out for a rate of events."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from transforms.contract import DATE, INTEGER, STRING, TIMESTAMP, Table, required
from transforms.kernels.rates import FOUND

TABLE: Final = Table(
    name="excluded_users",
    description="One row per user of whom [exclude] of the rules leaves out all events, because "
    "there were too many on a date or in a session.",
    columns=(
        required("user_id", STRING, "The user, as the source names them"),
        required("rule", STRING, "By which key of the rules: events_per_day, events_per_session"),
        required("events", INTEGER, "How many events the date or the session had then"),
        required("event_date", DATE, "The date, or that on which the session began"),
        required("excluded_at", TIMESTAMP, "When the user was left out"),
    ),
    primary_key=("user_id",),
    written_at="excluded_at",
)
# What is read of it: who is left out, and by which rule.
KNOWN: Final = ("user_id", "rule")


def rows(found: pa.Table, excluded_at: pa.Scalar) -> pa.Table:
    """The rows of some users.

    Args:
        found: with the schema FOUND.
        excluded_at: in UTC without a zone.
    """
    columns = {name: found[name] for name in FOUND.names}
    return TABLE.build({**columns, "excluded_at": excluded_at})
