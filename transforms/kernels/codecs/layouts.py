"""What all codecs say of bytes that they can't read."""

from __future__ import annotations

from typing import NoReturn

from transforms.data_error import DataError


def check_layout(what: str, layout: int, latest: int) -> None:
    """Raise DataError for bytes of a layout that this code doesn't read.

    Args:
        what: the bytes hold, as "a timeline".
        layout: its number; 1 is the first.
        latest: the latest one that this code reads.
    """
    if layout > latest:
        raise DataError(
            f"{what} is stored in layout {layout}, and this version of the pipeline reads layouts "
            f"up to {latest}: a later version wrote it; use that version, or build the tables "
            "again with this one"
        )
    if layout < 1:
        refuse_damaged(what)


def refuse_other_ids(what: str) -> NoReturn:
    """Raise DataError for what an earlier version stored beside ids that are made otherwise."""
    raise DataError(
        f"{what} is stored by an earlier version, with ids that today's can't be compared with: "
        "run `rebuild`, which writes all tables anew from their events (or `batch` over all "
        "sources); a streaming job is drained before, and started again after it"
    )


def refuse_unknown_counters(what: str, found: int, known: int) -> NoReturn:
    """Raise DataError for counters that were appended after this version of the code."""
    raise DataError(
        f"{what} holds counter {found}, and this version of the pipeline knows {known}: a later "
        "version wrote it; use that version, or build the tables again with this one"
    )


def refuse_damaged(what: str) -> NoReturn:
    """Raise DataError for bytes that no version wrote."""
    raise DataError(
        f"{what} is stored in bytes that can't be read: they are cut off or overwritten; build the "
        "tables again"
    )
