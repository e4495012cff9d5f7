"""Rows by user and time, held against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels.order import by_user_and_time, largest_so_far

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), max_size=40)


@given(ROWS, st.sampled_from([1, 10**6, 2**59]))
def test_rows_are_by_user_and_time_and_else_as_they_came(
    rows: list[tuple[int, int]], unit: int
) -> None:
    """Of the largest unit, users and times do not go into one key."""
    user, time = (np.array([row[place] for row in rows], np.int64) for place in range(2))
    order = by_user_and_time(user, time * (unit // 9 or 1))
    assert order.tolist() == sorted(range(len(rows)), key=lambda place: rows[place])


@given(ROWS)
def test_the_largest_so_far_is_that_of_the_user(rows: list[tuple[int, int]]) -> None:
    rows = sorted(rows, key=lambda found: found[0])
    user, values = (np.array([row[place] for row in rows], np.int64) for place in range(2))
    assert largest_so_far(values, user).tolist() == [
        max(value for other, value in rows[: place + 1] if other == whose)
        for place, (whose, _) in enumerate(rows)
    ]


@pytest.mark.parametrize("rows", [1, 2, 1_000])
def test_a_value_that_many_follow_stands_for_all_of_them(rows: int) -> None:
    values = np.arange(rows, 0, -1)
    assert largest_so_far(values, np.zeros(rows, np.int64)).tolist() == [rows] * rows
