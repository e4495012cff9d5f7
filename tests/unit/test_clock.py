"""The clock of streams only grows, whatever the wall clock does."""

from __future__ import annotations

import pickle
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from transforms.streaming.clock import GrowingClock, later, system_clock


class Times:
    """A wall clock that is set by hand, and what has passed."""

    def __init__(self) -> None:
        self.wall, self.passed = 1_000.0, 0.0
        self.clock = GrowingClock(lambda: self.wall, lambda: self.passed)

    def wait(self, seconds: float) -> float:
        self.wall += seconds
        self.passed += seconds
        return self.clock()


def test_it_shows_the_wall_clock_and_follows_it_ahead() -> None:
    times = Times()
    assert times.wait(5) == 1_005
    times.wall += 3_600
    assert times.wait(1) == times.wall


def test_after_a_step_back_it_goes_on_until_the_wall_clock_has_caught_up() -> None:
    times = Times()
    times.wall -= 20
    assert [times.wait(seconds) for seconds in (2, 18, 20)] == [1_001, 1_010, 1_020]
    assert times.wait(5) == times.wall == 1_025


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-(10**8), 10**8)), max_size=20))
def test_it_never_goes_back_and_never_stands(moves: list[tuple[int, int]]) -> None:
    times = Times()
    shown = [times.clock()]
    for seconds, step in moves:
        times.wall += step
        shown.append(times.wait(seconds))
    passed = [seconds for seconds, _ in moves]
    for (before, after), seconds in zip(pairwise(shown), passed, strict=True):
        assert after - before >= seconds * 0.49


@given(readings=st.lists(st.integers(0, 4_000_000_000), min_size=2))
def test_any_readings_give_moments_that_grow(readings: list[int]) -> None:
    moment = None
    for reading in readings:
        after = later(lambda reading=reading: reading, moment)  # type: ignore[misc]
        assert after > (moment or 0)
        assert after >= reading * 1_000_000
        moment = after


def test_steps_of_a_graph_share_the_clock_of_their_process() -> None:
    assert pickle.loads(pickle.dumps(system_clock)) is system_clock
