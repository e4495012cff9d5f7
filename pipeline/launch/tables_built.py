"""With which settings the tables of a warehouse were built."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.errors import OptionError
from pipeline.sinks.ended_runs import has_ended
from pipeline.warehouse import Warehouse
from pipeline.warehouse.run_ids import is_stream
from transforms.data_error import DataError
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.state import warehouse_settings
from transforms.state.warehouse_settings import ACTIVE_EVENT_TYPES

HOW_TO_STOP: Final = "make drain on Dataflow, Ctrl-C or SIGTERM where it runs on a machine"


def types_of_tables(warehouse: Warehouse, asked: AskedFigures | None) -> FigureSettings | None:
    """The event types of tables that are there, and those of them that make a user active.

    Args:
        warehouse: where they are, and what is noted beside them.
        asked: what the command line says: own types that the tables do not know are new ones.

    Returns:
        None where neither the warehouse nor the command line says so.

    Raises:
        OptionError: if both do, and differ, or if it names one that is not known.
        RunError: if the warehouse can't be read.
    """
    noted, asked = _noted_types(warehouse), asked or AskedFigures()
    if noted is None:
        return None if asked.names is None else first_types(asked)
    types = noted.adding(asked.own)
    if asked.names is not None and set(asked.names) != set(types.names):
        raise OptionError(
            f"--active_event_types {asked}: the tables were built with {types}, which is noted "
            "beside them: leave it out, or run batch to change them"
        )
    return types


def first_types(asked: AskedFigures | None) -> FigureSettings:
    """The event types of tables that are built from nothing.

    Raises:
        OptionError: if the command line names one that is not known.
    """
    asked = asked or AskedFigures()
    with _named(asked):
        return asked.first()


def types_to_build(warehouse: Warehouse, asked: AskedFigures | None) -> FigureSettings:
    """The event types of tables that are built again from their events: those of the tables and
    new ones; those make a user active that are asked for, else those of the tables.

    Raises:
        OptionError: if neither the warehouse nor the command line says so, or if it names one that
            is not known.
        RunError: if the warehouse can't be read.
    """
    noted, asked = _noted_types(warehouse), asked or AskedFigures()
    if noted is not None:
        with _named(asked):
            return asked.after(noted)
    if asked.names is None:
        raise OptionError(
            "--active_event_types is needed: the warehouse does not say which event types made a "
            "user active when its tables were built. Name them; unless that run named others, they "
            f"are {FigureSettings()}"
        )
    return first_types(asked)


@contextmanager
def _named(asked: AskedFigures) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise OptionError(f"--active_event_types {asked}: {error}") from None


def warn_of_other_types(warehouse: Warehouse, types: FigureSettings) -> None:
    """Say so where tables that are to be replaced were built with other active event types.

    Raises:
        RunError: if the warehouse can't be read.
    """
    noted = _noted_types(warehouse)
    if noted is not None and set(noted.names) != set(types.names):
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
    with warehouse.kept_open():
        if table.name not in (warehouse.present() or ()):
            return {}
        return warehouse_settings.settings_of(warehouse.read(table))


def _noted_types(warehouse: Warehouse) -> FigureSettings | None:
    noted = settings_of_tables(warehouse).get(ACTIVE_EVENT_TYPES)
    if noted is not None:
        return FigureSettings.of_note(noted)
    names = warehouse.active_event_types()
    return None if names is None else FigureSettings(names)
