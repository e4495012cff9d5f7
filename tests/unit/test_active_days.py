"""dim_users.active_days and active_days_28d: dates of a user's own, by the types that count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.tables import compute, csv_text, parse, row
from transforms.vocabulary import EVENT_TYPES


def counts(
    days: Sequence[str], active: Sequence[str] = EVENT_TYPES, kind: str = "share"
) -> tuple[int, int, int]:
    """Of a user with events on some dates days_active, active_days and active_days_28d."""
    rows = [row(f"{day}T{hour:02}:00:00Z", kind=kind) for day in days for hour in (3, 20)]
    rows += [row("2024-09-30T00:00:00Z", "bob")]
    users = compute([part.events for part in parse(csv_text(rows))], active)["dim_users"]
    (ann,) = [found for found in users.to_pylist() if found["user_id"] == "ann"]
    return ann["days_active"], ann["active_days"], ann["active_days_28d"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["2024-03-01"], (0, 1, 1)),
        (["2024-03-01", "2024-03-03", "2024-03-04"], (3, 3, 3)),
        # The first of 28 dates is among them, the one before is not.
        (["2024-03-01", "2024-03-28"], (27, 2, 2)),
        (["2024-03-01", "2024-03-29"], (28, 2, 1)),
        (["2023-12-31", "2024-03-01", "2024-03-02", "2024-06-01"], (153, 4, 1)),
    ],
)
def test_dates_are_counted_once_and_the_last_28_by_the_users_last_one(
    days: list[str], expected: tuple[int, int, int]
) -> None:
    assert counts(days) == expected


def test_dates_without_an_event_that_counts_are_none() -> None:
    assert counts(["2024-03-01", "2024-03-02"], active=["like"]) == (1, 0, 0)
    assert counts(["2024-03-01", "2024-03-02"], active=["like"], kind="like") == (1, 2, 2)
