"""All state tables by name; they are no marts, and have no checks of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from transforms.contract import Table
from transforms.state import (
    excluded_users,
    forgotten_users,
    growth_counters,
    known_people,
    loaded_files,
    pipeline_runs,
    user_timelines,
    warehouse_settings,
)

STATE_TABLES: Final[Mapping[str, Table]] = {
    module.TABLE.name: module.TABLE
    for module in (
        user_timelines,
        growth_counters,
        loaded_files,
        pipeline_runs,
        warehouse_settings,
        forgotten_users,
        known_people,
        excluded_users,
    )
}
