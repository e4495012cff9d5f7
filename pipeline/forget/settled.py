"""What is checked before anybody is forgotten."""

from __future__ import annotations

from typing import Final

from pipeline.errors import OptionError
from pipeline.launch.tables_built import types_of_tables
from pipeline.paths import typed_command
from pipeline.warehouse import Warehouse
from transforms.figure_settings import FigureSettings
from transforms.marts import dead_letter_events, dim_users, fct_events
from transforms.state import growth_counters, user_timelines

_READ: Final = (fct_events.TABLE, dim_users.TABLE, dead_letter_events.TABLE)
_STATE: Final = (user_timelines.TABLE, growth_counters.TABLE)


def check_tables(warehouse: Warehouse) -> FigureSettings:
    """See that a warehouse has what a run needs to forget people.

    Returns:
        The event types that make a user active in its tables.

    Raises:
        OptionError: if it lacks tables, or an earlier version wrote them.
        RunError: if it can't be read.
    """
    present = warehouse.present() or set()
    missing = [table.name for table in _READ if table.name not in present]
    if missing:
        raise OptionError(
            f"--warehouse {warehouse.url} has no table {missing[0]}: forget takes people out of "
            "the tables that batch or stream has built; check the URL"
        )
    missing = [table.name for table in _STATE if table.name not in present]
    types = types_of_tables(warehouse, None)
    if missing or types is None:
        lacking = missing[0] if missing else "what makes a user active"
        raise OptionError(
            f"--warehouse {warehouse.url} lacks {lacking}: an earlier version has built its "
            f"tables. Run {typed_command('rebuild', warehouse.url)} first, which adds what is "
            "missing"
        )
    users, timelines = (warehouse.count(table) for table in (dim_users.TABLE, user_timelines.TABLE))
    if users != timelines:
        raise OptionError(
            f"--warehouse {warehouse.url} has the state of {timelines or 0:,} of {users or 0:,} "
            f"users: an earlier version has built its tables. Run "
            f"{typed_command('rebuild', warehouse.url)} first, which adds what is missing"
        )
    return types
