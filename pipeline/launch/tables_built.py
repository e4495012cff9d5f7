"""With which settings the tables of a warehouse were built."""

from __future__ import annotations

import logging
from typing import Final

from pipeline.errors import OptionError
from pipeline.sinks.ended_runs import has_ended
from pipeline.warehouse import Warehouse
from pipeline.warehouse.run_ids import is_stream
from transforms.active_event_types import ActiveEventTypes
from transforms.state import warehouse_settings
from transforms.state.warehouse_settings import ACTIVE_EVENT_TYPES

HOW_TO_STOP: Final = "make drain on Dataflow, Ctrl-C or SIGTERM where it runs on a machine"


def types_of_tables(
    warehouse: Warehouse, asked: ActiveEventTypes | None
) -> ActiveEventTypes | None:
    """The event types that make a user active in tables that are there.

    Args:
        warehouse: where they are, and what is noted beside them.
        asked: what --active_event_types says.

    Returns:
        None where neither the warehouse nor the command line says so.

    Raises:
        OptionError: if both do, and differ.
        RunError: if the warehouse can't be read.
    """
    noted = _noted_types(warehouse)
    if asked is not None and noted is not None and asked != noted:
        raise OptionError(
            f"--active_event_types {asked}: the tables were built with {noted}, which is noted "
            "beside them: leave it out, or run batch to change them"
        )
    return noted or asked


def types_to_build(warehouse: Warehouse, asked: ActiveEventTypes | None) -> ActiveEventTypes:
    """The event types that make a user active in tables that are built again: those that are asked
    for, else those of the tables.

    Raises:
        OptionError: if neither the warehouse nor the command line says so.
        RunError: if the warehouse can't be read.
    """
    types = asked or _noted_types(warehouse)
    if types is None:
        raise OptionError(
            "--active_event_types is needed: the warehouse does not say which event types made a "
            "user active when its tables were built. Name them; unless that run named others, they "
            f"are {ActiveEventTypes()}"
        )
    return types


def warn_of_other_types(warehouse: Warehouse, types: ActiveEventTypes) -> None:
    """Say so where tables that are to be replaced were built with other active event types.

    Raises:
        RunError: if the warehouse can't be read.
    """
    noted = _noted_types(warehouse)
    if noted is not None and noted != types:
        logging.getLogger(__name__).warning(
            "the tables were built with --active_event_types %s; this run builds them with %s, "
            "which changes every figure of active users",
            noted,
            types,
        )


def refuse_stream(warehouse: Warehouse, stopped: bool, instead: str = "") -> None:
    """See that no stream may be writing the tables.

    Args:
        warehouse: where they are.
        stopped: whether the stream that wrote them last is stopped for good.
        instead: what else can be done, before "or".

    Raises:
        OptionError: if one may be.
        RunError: if the warehouse can't be read.
    """
    last = warehouse.last_run()
    if stopped or last is None or not is_stream(last) or has_ended(warehouse, last):
        return
    raise OptionError(
        f"--warehouse {warehouse.url} was last written by the stream {last}, which may be at work, "
        f"and a warehouse has one writer at a time: {instead}stop it ({HOW_TO_STOP}), run this "
        "with --stream_stopped, and start the stream again: what comes meanwhile waits in its "
        "subscription"
    )


def settings_of_tables(warehouse: Warehouse) -> dict[str, str]:
    """The settings that are noted in warehouse_settings; none where it is not there.

    Raises:
        RunError: if the warehouse can't be read.
    """
    table = warehouse_settings.TABLE
    if table.name not in (warehouse.present() or ()):
        return {}
    return warehouse_settings.settings_of(warehouse.read(table))


def _noted_types(warehouse: Warehouse) -> ActiveEventTypes | None:
    noted = settings_of_tables(warehouse).get(ACTIVE_EVENT_TYPES)
    names = warehouse.active_event_types() if noted is None else tuple(noted.split(","))
    return None if names is None else ActiveEventTypes(names)
