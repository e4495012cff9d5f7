"""What the tables hold of what a flush has counted."""

from __future__ import annotations

from pipeline.sinks.flush_state import Held
from pipeline.warehouse import TableReader
from transforms.marts import dead_letter_events, fct_events


def held(reader: TableReader) -> Held:
    """What the tables hold now.

    Raises:
        RunError: if the warehouse can't be read.
    """
    with reader.kept_open():
        events, dead_letters = (
            reader.count(table) or 0 for table in (fct_events.TABLE, dead_letter_events.TABLE)
        )
    return Held(events, dead_letters)
