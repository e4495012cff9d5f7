"""With which active event types the tables of a warehouse were built."""

from __future__ import annotations

from pipeline.errors import OptionError
from pipeline.warehouse import RunNotes
from transforms.active_event_types import ActiveEventTypes


def types_of_tables(warehouse: RunNotes, asked: ActiveEventTypes | None) -> ActiveEventTypes | None:
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
    names = warehouse.active_event_types()
    noted = None if names is None else ActiveEventTypes(names)
    if asked is not None and noted is not None and asked != noted:
        raise OptionError(
            f"--active_event_types {asked}: the tables were built with {noted}, which is noted "
            "beside them: leave it out, or run batch to change them"
        )
    return noted or asked
