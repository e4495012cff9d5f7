"""What an increment reads of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipeline.warehouse import StateReader, TableReader
from pipeline.warehouse.lookups import Lookup
from transforms.advance_step import (
    EVENT_COLUMNS,
    EXCLUDED_COLUMNS,
    IDENTIFIED_COLUMNS,
    TIMELINE_COLUMNS,
)
from transforms.kernels.counters import Counters
from transforms.marts import fct_events
from transforms.state import excluded_users, growth_counters, user_timelines
from transforms.touched_dates import NEW_IDS, TOUCHED

# Rows of TOUCHED as fct_events has them.
_DATES: Final = ("user_id", "event_date")


def state_of_dates(identified: bool = False, limited: bool = False) -> tuple[Lookup, ...]:
    """What is read of the users and dates of TOUCHED: timelines, and the events on these dates.

    Args:
        identified: whether the rules name an event_id.
        limited: whether they limit rates of events: then also who is left out.
    """
    excluded = Lookup(excluded_users.TABLE, EXCLUDED_COLUMNS, ("user_id",), TOUCHED)
    return (
        Lookup(user_timelines.TABLE, TIMELINE_COLUMNS, ("user_id",), TOUCHED),
        Lookup(fct_events.TABLE, columns_of_events(identified), TOUCHED.column_names, TOUCHED),
        *([excluded] if limited else []),
    )


def dates_of_ids() -> Lookup:
    """Where the events lie that have the ids of NEW_IDS: of all events three columns are read."""
    return Lookup(fct_events.TABLE, _DATES, NEW_IDS.column_names, NEW_IDS)


def columns_of_events(identified: bool) -> tuple[str, ...]:
    """What is read of stored events."""
    return IDENTIFIED_COLUMNS if identified else EVENT_COLUMNS


@dataclass(frozen=True)
class EventsOn:
    """Reads the stored events of a few dates; an `EventsOnDates`.

    Attributes:
        warehouse: where they are.
        identified: whether the rules name an event_id.
    """

    warehouse: StateReader
    identified: bool = False

    def __call__(self, dates: pa.Table) -> pa.Table:
        """See `EventsOnDates`.

        Raises:
            RunError: if they can't be read.
        """
        columns = columns_of_events(self.identified)
        return self.warehouse.rows_with(fct_events.TABLE, columns, dates)


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
