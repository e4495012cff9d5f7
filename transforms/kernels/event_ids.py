"""Event ids: hashes of all eight source values (rule 2)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from transforms.kernels.fields import ABSENT
from transforms.kernels.hashing import Hashes, hash_integers, hash_labels

# The columns' places in the source salt their hashes; the platform goes with the event type.
_TIME, _KIND, _CATEGORY, _MILES, _UTM_SOURCE, _COUNTRY = 0, 2, 3, 4, 6, 7


def event_ids(events: pa.Table, users: Hashes) -> Hashes:
    """The ids of events, the same on every run, machine and mode.

    Args:
        events: with the schema EVENT_BATCH, each column in one chunk.
        users: the hash of each event's user id.
    """
    column = {name: events[name].chunk(0) for name in events.column_names}
    kind = column["event_type"].to_numpy().astype(np.int64)
    platform = column["platform"].to_numpy().astype(np.int64)
    return (
        users
        + hash_integers(column["event_time"].cast(pa.int64()).to_numpy(), _TIME)
        + hash_integers(kind << 8 | platform, _KIND)
        + hash_labels(column["transaction_category"], _CATEGORY)
        # No amount is negative, so ABSENT tells NULL from all of them.
        + hash_integers(column["miles_amount"].fill_null(ABSENT).to_numpy(), _MILES)
        + hash_labels(column["utm_source"], _UTM_SOURCE)
        + hash_labels(column["country"], _COUNTRY)
    )
