"""What is checked of a replay before Beam is imported and anything is touched."""

from __future__ import annotations

from typing import Final

from pipeline.errors import OptionError
from pipeline.launch.tables_built import first_types, refuse_stream, types_of_tables
from pipeline.replay.attempt import Correct, as_they_came
from pipeline.replay.editing import Edit
from pipeline.replay.spreadsheet import Corrected
from pipeline.warehouse import Warehouse
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.marts import dead_letter_events, fct_events

_INSTEAD: Final = "publish the corrected records to its topic with --topic, or "


def correcting(edit: str | None, path: str | None) -> tuple[Correct, Corrected | None]:
    """How --edit or --input corrects dead letters, and the file of --input.

    Args:
        edit: what --edit says.
        path: what --input says.

    Raises:
        OptionError: if the edit can't be run, or the file is none of --output.
    """
    if edit is not None:
        return Edit.of(edit).correct, None
    if path is not None:
        corrected = Corrected.of(path)
        return lambda dead_letters: corrected.correct(dead_letters()), corrected
    return as_they_came, None


def check_tables(warehouse: Warehouse) -> None:
    """See that a warehouse has the tables that a replay reads.

    Raises:
        OptionError: if one is not there.
        RunError: if the warehouse can't be reached.
    """
    with warehouse.kept_open():
        missing = [
            table.name
            for table in (fct_events.TABLE, dead_letter_events.TABLE)
            if warehouse.count(table) is None
        ]
    if missing:
        raise OptionError(
            f"--warehouse {warehouse.url} has no table {missing[0]}: replay takes the tables that "
            "batch or stream has built; check the URL"
        )


def types_to_try(warehouse: Warehouse, asked: AskedFigures | None) -> FigureSettings:
    """The event types by which dead letters are tried where no table is changed.

    Raises:
        OptionError: if the tables were built with other ones that make a user active.
        RunError: if the warehouse can't be read.
    """
    return types_of_tables(warehouse, asked) or first_types(asked)


def settle(
    warehouse: Warehouse, asked: AskedFigures | None, stream_stopped: bool
) -> FigureSettings:
    """The event types that make a user active in tables, once it is certain that they may be
    changed.

    Args:
        warehouse: where the tables are.
        asked: what the command line says of event types.
        stream_stopped: whether the stream that wrote the tables last is stopped for good.

    Raises:
        OptionError: if a stream may be writing it, or it is not certain which event types count.
        RunError: if the warehouse can't be read.
    """
    refuse_stream(warehouse, stream_stopped, _INSTEAD)
    types = types_of_tables(warehouse, asked)
    if types is None:
        raise OptionError(
            "--active_event_types is needed: the warehouse does not say which event types made a "
            "user active when its tables were built. Name them; unless that run named others, they "
            f"are {FigureSettings()}"
        )
    return types
