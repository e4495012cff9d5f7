"""When a run would leave too little of what a warehouse holds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.sinks.shrinking import History, Loss

NAMES = ("fct_events", "dim_users", "growth_metrics", "dead_letter_events")


def rows(*numbers: int) -> Mapping[str, int]:
    return dict(zip(NAMES, numbers, strict=True))


def history(before: Mapping[str, int], after: Mapping[str, int], read: int = 1) -> History:
    return History(before, after, read)


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        (rows(90, 9, 5, 0), []),
        (rows(89, 10, 5, 7), ["fct_events"]),
        (rows(500, 8, 5, 7), ["dim_users"]),
        (rows(500, 50, 4, 7), ["growth_metrics"]),
        (rows(0, 0, 0, 0), ["fct_events", "dim_users", "growth_metrics"]),
    ],
)
def test_any_measure_may_lose_a_tenth(after: Mapping[str, int], lost: list[str]) -> None:
    found = history(rows(100, 10, 5, 7), after)
    assert [loss.table for loss in found.losses(10)] == lost
    if not lost:
        found.refuse(10)
        return
    with pytest.raises(RunError) as raised:
        found.refuse(10)
    output = str(raised.value)
    assert "the tables hold 100 events of 10 users on 5 dates, and this run would leave" in output
    assert "--allow_shrink" in output


def test_no_row_is_refused_whatever_the_limit_where_something_is() -> None:
    with pytest.raises(RunError, match="no row was read, and the tables hold 0 events"):
        history(rows(0, 0, 0, 1), rows(0, 0, 0, 0), read=0).refuse(100)
    history(rows(0, 0, 0, 0), rows(0, 0, 0, 0), read=0).refuse(0)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 100))
def test_more_is_never_a_loss(before: int, more: int, limit: float) -> None:
    grown = rows(before + more, before + more, before + more, 0)
    assert history(rows(before, before, before, 0), grown).losses(limit) == []


def test_a_loss_is_a_failed_check() -> None:
    result = Loss("fct_events", 185_651, 755).result(10)
    assert result.check.check_id == "fct_events.history_stays"
    assert not result.passed
    assert json.loads(result.sample or "") == [{"before": 185_651, "after": 755}]
