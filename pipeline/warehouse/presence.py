"""Seeing that there is something to read."""

from __future__ import annotations

from pipeline.errors import RunError
from pipeline.paths import typed_command
from pipeline.warehouse.roles import TableReader


def tables_present(warehouse: TableReader) -> set[str]:
    """The names of a warehouse's tables.

    Raises:
        RunError: if it is not there, or can't be read.
    """
    present = warehouse.present()
    if present is None:
        raise RunError(
            f"there is no warehouse {warehouse.url}: see that --warehouse is right, or build it "
            f"with {typed_command('batch', warehouse.url)}"
        )
    return present


def refuse_missing(warehouse: TableReader, wanted: list[str]) -> None:
    """See that a warehouse has tables.

    Raises:
        RunError: if it is not there, lacks one, or can't be read.
    """
    present = tables_present(warehouse)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise RunError(
            f"{warehouse.url} lacks the table{'' if len(missing) == 1 else 's'} "
            f"{', '.join(missing)}: see that --warehouse is right, or build them with "
            f"{typed_command('batch', warehouse.url)}"
        )
