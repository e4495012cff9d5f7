"""What is checked of a replay before Beam is imported and anything is touched."""

from __future__ import annotations

import argparse

from pipeline.errors import OptionError
from pipeline.replay.attempt import Correct, as_they_came
from pipeline.replay.editing import Edit
from pipeline.replay.spreadsheet import Corrected
from pipeline.warehouse import Warehouse, WarehouseOptions, open_warehouse
from pipeline.warehouse.runs import is_stream
from transforms.marts import dead_letter_events, fct_events
from transforms.vocabulary import EVENT_TYPES


def correcting(options: argparse.Namespace) -> tuple[Correct, Corrected | None]:
    """How --edit or --input corrects letters, and the file of --input.

    Raises:
        OptionError: if the edit can't be run, or the file is none of --output.
    """
    if options.edit is not None:
        return Edit.of(options.edit).correct, None
    if options.input is not None:
        corrected = Corrected.of(options.input)
        return lambda letters: corrected.correct(letters()), corrected
    return as_they_came, None


def check_tables(warehouse: Warehouse) -> None:
    """See that a warehouse has the tables that a replay reads.

    Raises:
        OptionError: if one is not there.
        RunError: if the warehouse can't be reached.
    """
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


def settle(warehouse: Warehouse, options: argparse.Namespace) -> tuple[Warehouse, tuple[str, ...]]:
    """The warehouse as a rebuild opens it, and the event types that make a user active in it.

    Raises:
        OptionError: if a stream may be writing it, or it is not certain which event types count.
        RunError: if the warehouse can't be read.
    """
    last = warehouse.last_run()
    if last is not None and is_stream(last) and not options.stream_stopped:
        raise OptionError(
            f"--warehouse {warehouse.url} was last written by the stream {last}. While it is at "
            "work it knows nothing of what a replay puts into its tables, and fails at its next "
            "flush: publish the corrected records to its topic with --topic, or, once it is "
            "stopped for good, add --stream_stopped"
        )
    types = _active_types(warehouse, options.active_event_types)
    return open_warehouse(options.warehouse, WarehouseOptions(active_event_types=types)), types


def _active_types(warehouse: Warehouse, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    noted = warehouse.active_event_types()
    if noted is None and asked is None:
        raise OptionError(
            "--active_event_types is needed: the warehouse does not say which event types made a "
            f"user active when its tables were built. Name them; unless that run was told "
            f"otherwise, they are {','.join(EVENT_TYPES)}"
        )
    if noted is not None and asked is not None and noted != asked:
        raise OptionError(
            f"--active_event_types {','.join(asked)}: the tables were built with "
            f"{','.join(noted)}, which a replay keeps; leave it out, or run batch to change them"
        )
    found = noted or asked
    assert found is not None
    return found
