"""Rows of retention curves: cohorts whose period is over, together and each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report.mart_rows import Marts, Row
from pipeline.report.segment_rows import EVERYBODY, names_of_shown

ALL_COHORTS: Final = "All cohorts"
EXACTLY: Final = "On exactly that day"
OR_LATER: Final = "On that day or later"
_COHORTS_SHOWN: Final = 5
_SEGMENT: Final = ("segment_type", "segment_value")


def by_month(marts: Marts) -> list[Row]:
    """The curves by month of everybody, and of each segment behind it."""
    names = {("all", "all"): EVERYBODY, **names_of_shown(marts.segments)}
    cells = _over(marts.curves, "month")
    together = _by_segment(_pooled(cells, _SEGMENT))
    latest = _by_segment(cells.filter(pc.is_in(cells["cohort_start"], value_set=_latest(cells))))
    return [
        {**row, "segment": name}
        for segment, name in names.items()
        for row in (
            *(_cell(ALL_COHORTS, row, "users_on") for row in together.get(segment, ())),
            *(
                _cell(f"{row['cohort_start']:%Y-%m}", row, "users_on")
                for row in latest.get(segment, ())
            ),
        )
    ]


def by_day(marts: Marts) -> list[Row]:
    """The two curves by day of all cohorts together."""
    days = _pooled(_over(marts.curves, "day"), ()).to_pylist()
    return [
        _cell(curve, row, column)
        for curve, column in ((EXACTLY, "users_on"), (OR_LATER, "users_on_or_after"))
        for row in days
    ]


def _over(curves: pa.Table, grain: str) -> pa.Table:
    return curves.filter(pc.and_(pc.equal(curves["grain"], grain), curves["is_complete"]))


def _pooled(cells: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The cells of all cohorts together, by period."""
    counts = ("users_on", "users_on_or_after", "cohort_size")
    found = cells.group_by([*keys, "period_number"]).aggregate([(name, "sum") for name in counts])
    return found.rename_columns([name.removesuffix("_sum") for name in found.column_names]).sort_by(
        "period_number"
    )


def _latest(cells: pa.Table) -> pa.Array:
    """The last cohorts of which a period after the first one is over."""
    followed = pc.unique(cells.filter(pc.greater(cells["period_number"], 0))["cohort_start"])
    return followed.sort()[-_COHORTS_SHOWN:]


def _by_segment(rows: pa.Table) -> Mapping[tuple[str, str], Sequence[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows.to_pylist():
        found.setdefault((row["segment_type"], row["segment_value"]), []).append(row)
    return found


def _cell(curve: str, row: Mapping[str, int], column: str) -> Row:
    return {
        "curve": curve,
        "period_number": row["period_number"],
        "users": row[column],
        "cohort_size": row["cohort_size"],
        "retention_rate": 100 * row[column] / row["cohort_size"],
    }
