"""events_by_type: one row per date and event type."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.contract import FLOAT, INTEGER, STRING, Partition, Table, nullable, required
from transforms.kernels.arithmetic import percentage, ratio
from transforms.kernels.counters import OWN_TYPES
from transforms.kernels.grid_keys import split_type_key
from transforms.kernels.spine import Spine
from transforms.marts.rules import DATES, IS_COMPLETE_DATE
from transforms.marts.shared_columns import EVENT_DATE, EVENT_TYPE
from transforms.measures import (
    EVENTS_ONCE,
    EVENTS_PER_USER,
    PERCENT,
    USERS_OF_PERIOD,
    quotient,
    ratio_of,
)
from transforms.quality.declaration import (
    AddsUp,
    Holds,
    Total,
    at_least,
)
from transforms.vocabulary import EVENT_TYPES

Ints = NDArray[np.int64]

_NAME = "events_by_type"

TABLE = Table(
    name=_NAME,
    description="How many events of each type a date has, and of how many users.",
    columns=(
        EVENT_DATE,
        required(
            "event_type",
            STRING,
            "Event type; each that occurs in the data has a row on every date",
            EVENT_TYPE,
        ),
        required(
            "events", INTEGER, "Events of the type on the date", at_least(0), measure=EVENTS_ONCE
        ),
        required(
            "users",
            INTEGER,
            "Distinct users with such an event on the date",
            at_least(0),
            measure=USERS_OF_PERIOD,
        ),
        nullable(
            "users_pct",
            FLOAT,
            "users in percent of daily_active_users",
            at_least(0.0),
            measure=ratio_of(
                "users, and daily_active_users of growth_metrics, in percent", PERCENT
            ),
        ),
        nullable(
            "events_per_user",
            FLOAT,
            "events / users",
            at_least(1.0),
            measure=quotient("events", "users", EVENTS_PER_USER),
        ),
        IS_COMPLETE_DATE,
    ),
    partition=Partition("event_date", "MONTH"),
    primary_key=("event_date", "event_type"),
    checks=(
        DATES,
        Holds(
            "users_within_events",
            "users <= events AND (users > 0 OR events = 0)",
            "each event is of one user",
        ),
        AddsUp(
            "events_add_up",
            (Total(_NAME, "events"),),
            (Total("growth_drivers", "total_daily_events"),),
            "the events of all types are those of growth_drivers",
        ),
    ),
)


def rows(spine: Spine) -> pa.Table:
    """The rows of the table from the sums over all users."""
    day, dates = spine.daily, len(spine.dates)
    five = [(day[f"events_{name}"], day[f"users_{name}"]) for name in EVENT_TYPES]
    counted = dict(zip(spine.event_types, [*five, *_of_own_types(spine)], strict=True))
    types = [name for name, (events, _) in counted.items() if events.any()]
    events, users = (
        np.concatenate([np.empty(0, np.int64), *(counted[name][what] for name in types)])
        for what in range(2)
    )
    codes = np.repeat(np.arange(len(types), dtype=np.int32), dates)
    return TABLE.build(
        {
            "event_date": np.tile(spine.dates, len(types)),
            "event_type": pa.DictionaryArray.from_arrays(
                pa.array(codes), pa.array(types, pa.string())
            ),
            "events": events,
            "users": users,
            "users_pct": percentage(users, np.tile(day["active"], len(types))),
            "events_per_user": ratio(events, users),
            "is_complete": np.tile(spine.complete_dates, len(types)),
        }
    )


def _of_own_types(spine: Spine) -> list[tuple[Ints, Ints]]:
    """Of each own event type, in order, its events and users by date."""
    own = len(spine.event_types) - len(EVENT_TYPES)
    table = np.zeros((len(OWN_TYPES), own, len(spine.dates)), np.int64)
    grid = spine.counters.own_types
    day, code = split_type_key(grid.keys)
    table[:, code - len(EVENT_TYPES), day - spine.first_day] = grid.values.T
    return [(events, users) for events, users in table.transpose(1, 0, 2)]
