"""Dates of users as rows: those whose stored events an increment asks for."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from transforms.contract import DATE, STRING, Partition, Table, required
from transforms.kernels.user_dates import UserDates

# Partitioned as fct_events is, so that what is staged says which partitions are to be read.
TOUCHED: Final = Table(
    name="touched_dates",
    description="Dates of users.",
    columns=(
        required("user_id", STRING, "The user"),
        required("event_date", DATE, "A UTC date"),
    ),
    partition=Partition("event_date", "DAY"),
)


def rows(dates: UserDates) -> pa.Table:
    """Dates of users as rows of TOUCHED."""
    date = pa.array(dates.date.astype("int32")).cast(pa.date32())
    return TOUCHED.build({"user_id": dates.user_id, "event_date": date})
