"""All tables by name, and the functions that finish the marts from the sums over users."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa

from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.spine import Spine
from transforms.marts import (
    data_quality_results,
    dead_letter_corrections,
    dead_letter_events,
    dim_users,
    engagement_distribution,
    events_by_type,
    fct_events,
    growth_by_segment,
    growth_by_segment_monthly,
    growth_drivers,
    growth_metrics,
    miles_analytics,
    quick_ratio_analysis,
    retention_cohorts,
    retention_curves,
    retention_quality_framework,
    session_metrics,
    social_capital_growth_accounting,
    user_resurrection_analysis,
    users_with_negative_miles,
    weekly_growth_accounting,
)
from transforms.marts.growth_drivers_checks import (
    EVENT_TYPES_ADD_UP,
    EVENT_TYPES_AMONG_OTHERS,
)
from transforms.marts.reckoned import reckoned
from transforms.marts.shared_columns import EVENT_TYPE
from transforms.quality.compile import Checks, compile_checks
from transforms.quality.declaration import one_of

_FINISHED: Final = (
    social_capital_growth_accounting,
    quick_ratio_analysis,
    growth_metrics,
    retention_quality_framework,
    user_resurrection_analysis,
    retention_cohorts,
    growth_drivers,
    miles_analytics,
    weekly_growth_accounting,
    growth_by_segment,
    growth_by_segment_monthly,
    retention_curves,
    engagement_distribution,
    events_by_type,
    session_metrics,
)

FINISH: Final[Mapping[str, Callable[[Spine], pa.Table]]] = {
    mart.TABLE.name: mart.rows for mart in _FINISHED
}

TABLES: Final[Mapping[str, Table]] = {
    module.TABLE.name: module.TABLE
    for module in (
        fct_events,
        dim_users,
        users_with_negative_miles,
        *_FINISHED,
        dead_letter_events,
    )
}

# What every run appends to, whatever becomes of the tables.
RESULTS: Final = data_quality_results.TABLE
ALL_TABLES: Final = (*TABLES.values(), RESULTS)
# What replays merge into and batch runs read.
CORRECTIONS: Final = dead_letter_corrections.TABLE


@functools.cache
def all_checks(figures: FigureSettings) -> Checks:
    """All checks of TABLES, where they are built with some settings."""
    active_events = figures.active_users(dim_users.COUNT_COLUMNS, "active_days")
    tables = [reckoned(table, figures.reckoning) for table in TABLES.values()]
    if figures.own:
        tables = [_with_own_types(table, figures) for table in tables]
    return compile_checks(tables, {"ACTIVE_EVENTS": active_events})


def _with_own_types(table: Table, types: FigureSettings) -> Table:
    """A contract that takes own event types, too; its checks keep their ids."""
    any_type = one_of(*types.known)
    columns = [
        replace(column, checks=tuple(any_type if each == EVENT_TYPE else each for each in checks))
        for column in table.columns
        for checks in [column.checks]
    ]
    checks = [
        EVENT_TYPES_AMONG_OTHERS if check == EVENT_TYPES_ADD_UP else check for check in table.checks
    ]
    return replace(table, columns=tuple(columns), checks=tuple(checks))
