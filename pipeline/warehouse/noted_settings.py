"""The settings that a warehouse notes beside its tables."""

from __future__ import annotations

from pipeline.warehouse.roles import TableReader
from transforms.reckoning import Reckoning
from transforms.state import warehouse_settings


def settings_of_tables(warehouse: TableReader) -> dict[str, str]:
    """The settings that are noted in warehouse_settings; none where it is not there.

    Raises:
        RunError: if the warehouse can't be read.
    """
    table = warehouse_settings.TABLE
    with warehouse.kept_open():
        if table.name not in (warehouse.present() or ()):
            return {}
        return warehouse_settings.settings_of(warehouse.read(table))


def reckoning_of_tables(warehouse: TableReader) -> Reckoning:
    """How time is reckoned in the tables of a warehouse.

    Raises:
        RunError: if the warehouse can't be read.
    """
    return warehouse_settings.reckoning_of(settings_of_tables(warehouse))
