"""The state that a warehouse keeps beside its tables, as far as a run must know it beforehand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RunError
from pipeline.launch.state_fit import from_stored_events
from pipeline.warehouse import Warehouse
from transforms.kernels.counters import Counters
from transforms.marts import dim_users, fct_events
from transforms.state import growth_counters, loaded_files, user_timelines
from transforms.state.growth_counters import counters_of

_STATE: Final = (user_timelines.TABLE, growth_counters.TABLE, loaded_files.TABLE)
_TICK: Final = timedelta(microseconds=1)


class StateOfTables(NamedTuple):
    """A state that fits the tables.

    Attributes:
        counters: the sum over all users.
        written_at: when the counters were written last, in UTC without a zone.
    """

    counters: Counters
    written_at: datetime

    def later(self, moment: datetime) -> datetime:
        """The moment at which a run writes: a row replaces one that was written earlier, and the
        clock may have stepped back."""
        return max(moment, self.written_at + _TICK)


def state_of(warehouse: Warehouse) -> StateOfTables:
    """The state of a warehouse, once it is certain that it is that of its events.

    Raises:
        RunError: if it is not there or not that, or can't be read.
    """
    with warehouse.kept_open():
        return _checked(warehouse)


def _checked(warehouse: Warehouse) -> StateOfTables:
    present = warehouse.present() or set()
    missing = [table.name for table in _STATE if table.name not in present]
    if missing:
        raise without_state(warehouse, f"has no table {missing[0]}")
    rows = warehouse.read(growth_counters.TABLE)
    counters, events = counters_of(rows), warehouse.count(fct_events.TABLE) or 0
    if counters.events != events:
        raise without_state(
            warehouse,
            f"has {events:,} events in fct_events and counts {counters.events:,} in its state",
        )
    users, timelines = (
        warehouse.count(table) or 0 for table in (dim_users.TABLE, user_timelines.TABLE)
    )
    if users != timelines:
        raise without_state(
            warehouse, f"has {users:,} users in dim_users and {timelines:,} in user_timelines"
        )
    found = pc.max(rows["written_at"]).cast(pa.timestamp("us")).as_py()
    return StateOfTables(counters, found or datetime(1970, 1, 1))


def without_state(warehouse: Warehouse, what: str) -> RunError:
    """What to raise where a warehouse has no state that fits its tables."""
    return RunError(
        f"{warehouse.url} {what}: an earlier version of the pipeline, or another program, has "
        f"written its tables. {from_stored_events(warehouse)}, and run this again then"
    )
