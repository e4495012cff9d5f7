"""The source event: its columns and the values that they may take."""

from __future__ import annotations

from datetime import datetime
from typing import Final

SOURCE_COLUMNS: Final = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)

# What rules may name beside them: the source's own id of an event.
EVENT_ID: Final = "event_id"

# Of event_time, in UTC: what is earlier is no event.
EARLIEST: Final = datetime(2000, 1, 1)

# Between kernels an event type and a platform are their index in these tuples; counters and
# shuffled batches hold the indices, so the order is part of a running job's state.
EVENT_TYPES: Final = ("miles_earned", "miles_redeemed", "share", "like", "reward_search")
PLATFORMS: Final = ("iOS", "Android", "Web")
CHANNELS: Final = ("organic", "paid", "social", "referral")
# Of any other utm_source, and of none.
OTHER_CHANNEL: Final = "other"

MILES_EARNED: Final = EVENT_TYPES.index("miles_earned")
MILES_REDEEMED: Final = EVENT_TYPES.index("miles_redeemed")
SHARE: Final = EVENT_TYPES.index("share")
LIKE: Final = EVENT_TYPES.index("like")
