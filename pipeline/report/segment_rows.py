"""Rows of segments as charts show them: the largest ten of each kind, and everybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from pipeline.report.mart_rows import Marts, Row
from pipeline.report.vega import below

EVERYBODY: Final = "Everybody"
_LARGEST: Final = 10
_OF_EVERYBODY_ALONE: Final = ("quick_ratio_3mo_avg", "growth_quality_category", "alert_level")


def by_segment(marts: Marts) -> list[Row]:
    """Monthly growth accounting of everybody, and of each segment behind it."""
    everybody = [{**month, "segment": EVERYBODY} for month in marts.months]
    others = [{**row, **dict.fromkeys(_OF_EVERYBODY_ALONE)} for row in _shown(marts.segments)]
    return [*everybody, *others]


def last_month(segments: Sequence[Row]) -> list[Row]:
    """The last complete month of each segment, by kind and size."""
    over = [row for row in _shown(segments) if row["is_complete"]]
    last = max((row["activity_month"] for row in over), default=None)
    return [
        {**row, below("churned_users"): -row["churned_users"]}
        for row in over
        if row["activity_month"] == last
    ]


def names_of_shown(segments: Sequence[Row]) -> dict[tuple[str, str], str]:
    """The names of the segments that charts show, by type and value."""
    shown = _shown(segments)
    return {(row["segment_type"], row["segment_value"]): row["segment"] for row in shown}


def _shown(segments: Sequence[Row]) -> list[Row]:
    """The rows of the largest segments of each kind, a segment's behind each other."""
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in segments:
        rows[row["segment_type"], row["segment_value"]].append(row)
    found: list[Row] = []
    for kind in dict.fromkeys(kind for kind, _ in rows):
        of_kind = sorted(
            (value for each, value in rows if each == kind),
            key=lambda value: (-_size(rows[kind, value]), value),
        )
        for value in of_kind[:_LARGEST]:
            label: dict[str, Any] = {"segment": f"{kind} {value}"}
            found += [{**row, **label} for row in rows[kind, value]]
    return found


def _size(rows: Sequence[Row]) -> int:
    """A segment's new users: a user is new once."""
    return sum(row["new_users"] for row in rows)
