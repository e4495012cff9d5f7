"""How a reader takes a column: its label, whether it is counted or told apart by, and what adds up.

It follows from the contract: dashboards and dictionaries ask here, and none has its own list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from transforms.contract import FLOAT, INTEGER, Column, Table

Role: TypeAlias = Literal["dimension", "measure"]
Aggregation: TypeAlias = Literal["sum", "mean"]

_WORDS: Final = {
    "dau": "DAU",
    "wau": "WAU",
    "mau": "MAU",
    "id": "ID",
    "pct": "(%)",
    "ios": "iOS",
    "avg": "average",
    "utm": "UTM",
}
_MEASURED: Final = (INTEGER, FLOAT)
# Numbers that are the place of a row, not an amount.
_PLACES: Final = ("period_number", "window_days")
# Of events, miles, returns and first times: each happens once, on one date. Users who are active,
# retained or churned are distinct in a period alone, and would count again in the next one.
_ADDS_UP: Final = re.compile(
    r"events|.*_events|daily_(miles_earned|miles_redeemed|shares|likes|searches)|net_miles_change"
    r"|sessions|single_event_sessions|session_seconds"
    r"|new_users|new_\w+_users|total_new_users|\w+_resurrections|.*_transactions"
)
# Figures over a window, and of users by the days since they came.
_OVER_WINDOWS: Final = re.compile(r"avg_.*|new_stage_users")
_PERCENT: Final = re.compile(r".*(_pct|_rate|stickiness|_pct_of_dau)$|.*_rate_pct$")


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    Attributes:
        label: in words.
        role: a dimension tells rows apart, a measure is a number.
        aggregation: what may be done to a measure over several periods; None for a dimension.
        unit: percent, or empty.
    """

    label: str
    role: Role
    aggregation: Aggregation | None
    unit: str

    @property
    def format(self) -> str:
        """The number's format, as d3 writes it."""
        return ",.1f" if self.unit == "percent" else ",.2f" if self.aggregation == "mean" else ",d"


def reading_of(table: Table, column: Column) -> Reading:
    """How a column of a table is read."""
    is_measure = (
        column.type in _MEASURED
        and column.name not in table.primary_key
        and column.name not in _PLACES
    )
    words = [_WORDS.get(word, word) for word in column.name.split("_")]
    label = " ".join(words)
    return Reading(
        label=label[0].upper() + label[1:] if label[0] != "i" else label,
        role="measure" if is_measure else "dimension",
        aggregation=_aggregation(column.name) if is_measure else None,
        unit="percent" if _PERCENT.fullmatch(column.name) else "",
    )


def _aggregation(name: str) -> Aggregation:
    adds_up = _ADDS_UP.fullmatch(name) and not _OVER_WINDOWS.fullmatch(name)
    return "sum" if adds_up else "mean"
