"""All rows of the marts, from the sums over all users."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa

from transforms.kernels.counters import Counters
from transforms.mart_changes import marts_of
from transforms.state import growth_counters

SUMS: Final = growth_counters.TABLE.name


def finished(
    totals: Counters, written_at: datetime, event_types: tuple[str, ...]
) -> dict[str, pa.Table]:
    """The rows of the marts, and by SUMS those of growth_counters, by their names.

    Args:
        totals: the sum over all users.
        written_at: the moment of writing, in UTC without a zone.
        event_types: the names of the event types, by their codes.
    """
    moment = pa.scalar(written_at, pa.timestamp("us"))
    marts = marts_of(totals, moment.value, event_types)
    return {**marts, SUMS: growth_counters.rows(totals, moment)}
