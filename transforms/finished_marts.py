"""All rows of the marts, from the sums over all users."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pyarrow as pa

from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.mart_changes import marts_of
from transforms.state import growth_counters

SUMS: Final = growth_counters.TABLE.name


def finished(
    totals: Counters, written_at: datetime, figures: FigureSettings
) -> dict[str, pa.Table]:
    """The rows of the marts, and by SUMS those of growth_counters, by their names.

    Args:
        totals: the sum over all users.
        written_at: the moment of writing, in UTC without a zone.
        figures: the settings by which they are made.
    """
    moment = pa.scalar(written_at, pa.timestamp("us"))
    marts = marts_of(totals, moment.value, figures)
    return {**marts, SUMS: growth_counters.rows(totals, moment)}
