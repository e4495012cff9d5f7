"""What the last days of timelines say changes, held against what all of their days say."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tables import codes, row
from tests.support.thorough import examples
from tests.support.updates import events_of
from transforms.kernels.contributions import contributions
from transforms.kernels.increments import change
from transforms.kernels.recent_days import recent
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.reckoning import PLAIN
from transforms.vocabulary import EVENT_TYPES

START = datetime(2023, 1, 1)
Event = tuple[int, str, str]
_STEPS = [0, 1, 2, 6, 7, 8, 26, 27, 28, 29, 30, 31, 35, 36, 37, 60, 90, 300]
# Around one day, or after pauses that make a difference.
moments = st.builds(
    lambda sign, step, minute: (500 + sign * step) * 1_440 + minute,
    st.sampled_from([-1, -1, 1]),
    st.one_of(st.sampled_from(_STEPS), st.integers(0, 60)),
    st.sampled_from([0, 5, 29, 31, 720, 1_410, 1_439]),
)


def events(moments: st.SearchStrategy[int]) -> st.SearchStrategy[list[Event]]:
    return st.lists(
        st.tuples(moments, st.sampled_from("ab"), st.sampled_from(EVENT_TYPES)), max_size=30
    )


def lives(some: list[Event]) -> Timelines:
    rows = [
        row(f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}", user, kind)
        for minute, user, kind in some
    ]
    return timelines(sort_events(events_of(rows)))


def users(some: list[Event]) -> set[str]:
    return {user for _, user, _ in some}


def day_of(event: Event) -> int:
    return (START - datetime(1970, 1, 1)).days + event[0] // 1_440


@pytest.mark.parametrize("active", [EVENT_TYPES, ("share",)])
@settings(max_examples=examples(20, 1_000), deadline=None)
@given(stored=events(moments), late=events(moments.map(lambda minute: minute + 14 * 1_440)))
def test_what_came_since_a_date_changes_what_all_days_together_change(
    active: tuple[str, ...], stored: list[Event], late: list[Event]
) -> None:
    types = codes(active)
    before, after = lives(stored), lives([*stored, *late])
    # In days since 1970, of each user; of who has no late event any date will do.
    first = {user: min(day_of(event) for event in late if event[1] == user) for user in users(late)}
    since = [
        np.array([first.get(user, 0) for user in found.user_id.to_pylist()], np.int64)
        for found in (before, after)
    ]
    expected = contributions(after, types) - contributions(before, types)
    found = change(recent(before, since[0], types), recent(after, since[1], types), types, PLAIN)
    assert found == expected
