"""All tables by name, and the functions that finish the marts from the sums over users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pyarrow as pa

from transforms.active_event_types import ActiveEventTypes
from transforms.contract import Table
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
from transforms.quality.compile import Check, compile_checks

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


def all_checks(active_types: ActiveEventTypes) -> tuple[Check, ...]:
    """All checks of TABLES, where some event types make a user active."""
    active_events = active_types.sum_of(dim_users.COUNT_COLUMNS)
    return compile_checks(TABLES.values(), {"ACTIVE_EVENTS": active_events})
