"""With which settings the tables of a warehouse were built."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from pipeline.errors import OptionError
from pipeline.paths import typed_command
from pipeline.sinks.ended_runs import has_ended
from pipeline.warehouse import Warehouse
from pipeline.warehouse.noted_settings import settings_of_tables
from pipeline.warehouse.run_ids import is_stream
from transforms.data_error import DataError
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.reckoning import Reckoning
from transforms.state.warehouse_settings import ACTIVE_EVENT_TYPES, reckoning_of

HOW_TO_STOP: Final = "make drain on Dataflow, Ctrl-C or SIGTERM where it runs on a machine"


def types_of_tables(warehouse: Warehouse, asked: AskedFigures | None) -> FigureSettings | None:
    """The settings by which tables that are there were built.

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
    refuse_other_reckoning(warehouse, asked, types.reckoning)
    # Rules that are let through say the same, or take in earlier events.
    earliest = asked.earliest or types.reckoning.earliest
    return replace(types, reckoning=replace(types.reckoning, earliest=earliest))


def refuse_other_reckoning(warehouse: Warehouse, asked: AskedFigures, noted: Reckoning) -> None:
    """See that a command line does not ask for another reckoning of time than that of the tables.

    Raises:
        OptionError: if it does.
    """
    if asked.zone not in (None, noted.zone):
        raise OptionError(
            f"--timezone {asked.zone}: the dates of these tables are in {noted.zone}, which is "
            "noted beside them: leave it out, or build them again from their events with "
            f"{typed_command('rebuild', warehouse.url)} --timezone {asked.zone}"
        )
    if asked.week_start not in (None, noted.week_start):
        raise OptionError(
            f"--week_start {asked.week_start}: the weeks of these tables begin on a "
            f"{noted.week_start}, which is noted beside them: leave it out, or build them again "
            f"from their events with {typed_command('rebuild', warehouse.url)} --week_start "
            f"{asked.week_start}"
        )


def first_types(asked: AskedFigures | None, instead_of: Warehouse | None = None) -> FigureSettings:
    """The settings of tables that are built from nothing.

    Args:
        asked: what the command line says.
        instead_of: whose tables they replace: time is reckoned as in them, as far as the command
            line says nothing of it. None for nobody's.

    Raises:
        OptionError: if the command line names an event type that is not known.
        RunError: if the warehouse can't be read.
    """
    asked = asked or AskedFigures()
    noted = {} if instead_of is None else settings_of_tables(instead_of)
    with _named(asked):
        return asked.first(reckoning_of(noted))


def types_to_build(warehouse: Warehouse, asked: AskedFigures | None) -> FigureSettings:
    """The settings of tables that are built again from their events: those that are asked for, else
    those of the tables; of event types those of the tables and new ones.

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
    """Say so where tables that are to be replaced were built with other settings.

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
    if noted is None or noted.reckoning == types.reckoning:
        return
    logging.getLogger(__name__).warning(
        "the tables were built with %s; this run builds them with %s",
        noted.reckoning.beside(types.reckoning),
        types.reckoning.beside(noted.reckoning),
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


def _noted_types(warehouse: Warehouse) -> FigureSettings | None:
    settings = settings_of_tables(warehouse)
    if ACTIVE_EVENT_TYPES in settings:
        noted = FigureSettings.of_note(settings[ACTIVE_EVENT_TYPES])
        return replace(noted, reckoning=reckoning_of(settings))
    names = warehouse.active_event_types()
    return None if names is None else FigureSettings(names)
