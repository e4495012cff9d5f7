"""Dates of users as rows, and ids of events: what an increment asks of stored events by."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from transforms.contract import DATE, STRING, Partition, Table, required
from transforms.kernels.compression import digests
from transforms.kernels.event_batch import has_identity
from transforms.kernels.event_ids import identified, owner_digests
from transforms.kernels.hashing import ascii_array
from transforms.kernels.id_text import event_digits
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

# Ids of events that may be stored on another date than that of which they come.
NEW_IDS: Final = Table(
    name="new_event_ids",
    description="Ids of events.",
    columns=(required("event_id", STRING, "What fct_events would call the event"),),
)


def ids_of(events: pa.RecordBatch) -> pa.Table:
    """The ids that follow from those of the source, as rows of NEW_IDS; none of other events."""
    if not has_identity(events.schema):
        return NEW_IDS.arrow_schema.empty_table()
    named = events.filter(events["source_id"].is_valid())
    users = named["user_id"].dictionary_encode()
    by_user = digests(users.dictionary)[users.indices.to_numpy()]
    hashes = identified(named["source_id"], owner_digests(named["came_as"], by_user))
    return NEW_IDS.build({"event_id": ascii_array(event_digits(hashes))})


def rows(dates: UserDates) -> pa.Table:
    """Dates of users as rows of TOUCHED."""
    date = pa.array(dates.date.astype("int32")).cast(pa.date32())
    return TOUCHED.build({"user_id": dates.user_id, "event_date": date})
