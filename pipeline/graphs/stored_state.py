"""What an increment reads of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from pipeline.warehouse import StateReader, TableReader
from pipeline.warehouse.lookups import Lookup
from transforms.advance_step import EVENT_COLUMNS, TIMELINE_COLUMNS
from transforms.kernels.counters import Counters
from transforms.marts import fct_events
from transforms.state import growth_counters, user_timelines
from transforms.touched_dates import TOUCHED


def state_of_dates() -> tuple[Lookup, ...]:
    """What is read of the users and dates of TOUCHED: timelines, and the events on these dates."""
    return (
        Lookup(user_timelines.TABLE, TIMELINE_COLUMNS, ("user_id",), TOUCHED),
        Lookup(fct_events.TABLE, EVENT_COLUMNS, TOUCHED.column_names, TOUCHED),
    )


@dataclass(frozen=True)
class EventsOn:
    """Reads the stored events of a few dates; an `EventsOnDates`.

    Attributes:
        warehouse: where they are.
    """

    warehouse: StateReader

    def __call__(self, dates: pa.Table) -> pa.Table:
        """See `EventsOnDates`.

        Raises:
            RunError: if they can't be read.
        """
        return self.warehouse.rows_with(fct_events.TABLE, EVENT_COLUMNS, dates)


@dataclass(frozen=True)
class CountersOf:
    """Reads the sum over all users that a warehouse holds.

    Attributes:
        warehouse: it.
    """

    warehouse: TableReader

    def __call__(self) -> Counters:
        """The sum.

        Raises:
            RunError: if it can't be read.
            DataError: if a later version wrote it.
        """
        return growth_counters.counters_of(self.warehouse.read(growth_counters.TABLE))
