"""engagement_distribution: one row per date, window and number of active days."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.contract import DATE, INTEGER, Partition, Table, required
from transforms.kernels.grid_keys import ENGAGED_WINDOWS, split_engaged_key
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE
from transforms.measures import USERS_OF_PERIOD
from transforms.quality.declaration import AddsUp, Holds, Total, at_least, one_of

_NAME = "engagement_distribution"
_OF_WHOLE = {7: "weekly_active_users_7d", 28: "active_users_28d"}


def _users_of(window: int) -> AddsUp:
    of_window = f"CASE WHEN window_days = {window} THEN users ELSE 0 END"
    return AddsUp(
        f"users_of_{window}_days_add_up",
        (Total(_NAME, of_window),),
        (Total("growth_metrics", _OF_WHOLE[window]),),
        f"the users of a window of {window} dates are {_OF_WHOLE[window]} of growth_metrics",
    )


TABLE = Table(
    name=_NAME,
    description="On how many of the last 7 and 28 dates users were active: L7 and L28.",
    columns=(
        required(
            "event_date", DATE, "Date (UTC or of --timezone), the last of the window", label="Date"
        ),
        required("window_days", INTEGER, "How many dates the window has", one_of(*ENGAGED_WINDOWS)),
        required(
            "active_days",
            INTEGER,
            "On how many of them a user was active",
            at_least(1),
            label="Active dates",
        ),
        required(
            "users",
            INTEGER,
            "Users who were active on exactly so many; power users come last",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date", "window_days", "active_days"),
    checks=(
        DATES,
        Holds(
            "active_days_within_window",
            "active_days <= window_days",
            "no more dates are active than the window has",
        ),
        *map(_users_of, ENGAGED_WINDOWS),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    dates = len(spine.dates)
    slots = np.concatenate([np.full(n, n) for n in ENGAGED_WINDOWS])
    days = np.concatenate([np.arange(1, n + 1) for n in ENGAGED_WINDOWS])
    return TABLE.build(
        {
            "event_date": np.repeat(spine.dates, len(slots)),
            "window_days": np.tile(slots, dates),
            "active_days": np.tile(days, dates),
            "users": _users(spine).ravel(),
            "is_complete": np.repeat(spine.complete_dates, len(slots)),
        }
    )


def _users(spine: Spine) -> NDArray[np.int64]:
    """The users of each date and number of active dates, those of each window side by side."""
    changes = spine.counters.engagement
    day, window, days = split_engaged_key(changes.keys)
    offsets = np.cumsum([0, *ENGAGED_WINDOWS])
    table = np.zeros((len(spine.dates), offsets[-1]), np.int64)
    inside = (day >= spine.first_day) & (day <= spine.last_day)
    place = offsets[np.searchsorted(ENGAGED_WINDOWS, window)] + days - 1
    table[(day - spine.first_day)[inside], place[inside]] = changes.values[inside, 0]
    return np.cumsum(table, axis=0)
