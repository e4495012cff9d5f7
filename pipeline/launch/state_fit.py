"""Whether a warehouse's state is that of its marts, as far as sums tell that cost little."""

from __future__ import annotations

from typing import Final

from pipeline.paths import typed_command
from pipeline.warehouse import TableReader
from transforms.marts import dim_users, fct_events
from transforms.state import growth_counters, user_timelines
from transforms.vocabulary import EVENT_TYPES

_COUNTERS: Final = ", ".join(f"'events_{event_type}'" for event_type in EVENT_TYPES)


def misfit(warehouse: TableReader) -> str | None:
    """In what the state is not that of the marts, and what to do; None where it is, or where an
    earlier version wrote the tables and there is none.

    Raises:
        RunError: if the warehouse can't be read.
    """
    with warehouse.kept_open():
        return _misfit(warehouse)


def _misfit(warehouse: TableReader) -> str | None:
    users, events = warehouse.count(dim_users.TABLE), warehouse.count(fct_events.TABLE)
    timelines = warehouse.count(user_timelines.TABLE)
    if timelines is None or warehouse.count(growth_counters.TABLE) is None:
        return None
    statement = (
        f"SELECT COALESCE(SUM(value), 0) AS events FROM {warehouse.source(growth_counters.TABLE)} "
        f"WHERE grid = 'daily' AND counter IN ({_COUNTERS}) "
        "OR grid = 'own_types' AND counter = 'events'"
    )
    ((counted,),) = warehouse.ask([statement])
    sums = (
        (user_timelines.TABLE.name, "users", timelines, users or 0),
        (growth_counters.TABLE.name, "events", int(counted["events"]), events or 0),
    )
    found = [
        f"{table} is of {has:,} {what} where the marts are of {expected:,}"
        for table, what, has, expected in sums
        if has != expected
    ]
    if not found:
        return None
    return (
        f"{'; '.join(found)}: an earlier version has written some of these tables, a stream was "
        f"killed or is at work, or somebody has changed them. {from_stored_events(warehouse)}"
    )


def from_stored_events(warehouse: TableReader) -> str:
    """The way out where a warehouse has no state that is that of its marts."""
    return f"Build them from its stored events with {typed_command('rebuild', warehouse.url)}"
