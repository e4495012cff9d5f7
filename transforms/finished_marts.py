"""All rows of the marts, from the sums over all users."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa

from transforms.kernels.counters import Counters
from transforms.kernels.spine import lay_out
from transforms.marts.registry import FINISH
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
    spine = lay_out(totals, moment, event_types)
    marts = {name: rows(spine) for name, rows in FINISH.items()}
    return {**marts, SUMS: growth_counters.rows(totals, moment)}
