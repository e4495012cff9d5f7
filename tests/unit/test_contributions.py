"""Counters add up over users in any grouping, and by differences over time."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import codes, compute, csv_text, finish, parse, row
from tests.support.thorough import examples
from transforms.data_error import DataError
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.hashing import Hashes
from transforms.kernels.own_events import OwnEvents
from transforms.kernels.session_spans import SessionSpans
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.reckoning import PLAIN
from transforms.vocabulary import EVENT_TYPES

_SETTINGS = settings(
    max_examples=examples(20, 60), deadline=None, suppress_health_check=list(HealthCheck)
)
Rows = list[dict[str, str]]
active_types = st.sets(st.sampled_from(EVENT_TYPES), min_size=1).map(sorted)


def _counters(rows: Rows, active: list[str]) -> Counters:
    events = [part.events for part in parse(csv_text(rows))]
    return contributions(timelines(sort_events(events)), codes(active))


def _of_user(rows: Rows, user: str) -> Rows:
    return [event for event in rows if event["user_id"] == user]


@_SETTINGS
@given(rows=row_lists, active=active_types)
def test_the_sum_over_users_is_that_of_all_at_once(rows: Rows, active: list[str]) -> None:
    users = sorted({event["user_id"] for event in rows})
    parts = [_counters(_of_user(rows, user), active) for user in users]
    assert Counters.total(parts) == _counters(rows, active)
    assert Counters.total(reversed(parts)) == _counters(rows, active)


@_SETTINGS
@given(rows=row_lists, data=st.data(), active=active_types)
def test_changes_of_single_users_add_up_to_the_batch(
    rows: Rows, data: st.DataObject, active: list[str]
) -> None:
    """Events that arrive in any order, some at a time, each time as after - before of a user."""
    arrivals = data.draw(st.permutations(rows))
    total = Counters.empty()
    seen: Rows = []
    while len(seen) < len(arrivals):
        size = data.draw(st.integers(1, len(arrivals) - len(seen)))
        new = arrivals[len(seen) : len(seen) + size]
        for user in sorted({event["user_id"] for event in new}):
            before = _counters(_of_user(seen, user), active)
            after = _counters(_of_user(seen + new, user), active)
            total = Counters.total([total, after - before])
        seen += new
    assert total == _counters(rows, active)
    batch = compute([part.events for part in parse(csv_text(rows))], active)
    assert all(table.equals(batch[name]) for name, table in finish(total).items())


def test_no_user_contributes_nothing() -> None:
    assert contributions(timelines(sort_events([])), codes(EVENT_TYPES)) == Counters.empty()
    assert Counters.total([]) == Counters.empty()


def _stored(day: int, user: str, amount: int) -> Counters:
    """The counters of one event as tables of earlier versions may hold it: of any amount."""
    (parsed,) = parse(
        csv_text([row(f"2024-01-0{day}T00:00:00Z", user, "miles_earned", amount="1")])
    )
    place = parsed.events.schema.get_field_index("miles_amount")
    events = parsed.events.set_column(place, parsed.events.schema.field(place), pa.array([amount]))
    return contributions(timelines(sort_events([events])), codes(EVENT_TYPES))


@pytest.mark.parametrize("amounts", [(2**63 - 1,), (2**62, 2**62 - 1)])
def test_sums_up_to_int64_are_exact(amounts: tuple[int, ...]) -> None:
    parts = [_stored(day, f"user {day}", amount) for day, amount in enumerate(amounts, start=1)]
    miles = finish(Counters.total(parts))["miles_analytics"]["cumulative_miles_earned"]
    assert pa.compute.max(miles).as_py() == 2**63 - 1


@pytest.mark.parametrize("days", [(1, 1), (1, 2)], ids=["one day", "two days"])
def test_sums_beyond_int64_are_refused(days: tuple[int, ...]) -> None:
    parts = [_stored(day, user, 2**62) for day, user in zip(days, ("ann", "bob"), strict=True)]
    with pytest.raises(DataError, match="miles_earned adds up to more than INT64 holds"):
        finish(Counters.total(parts))


@_SETTINGS
@given(rows=row_lists, data=st.data())
def test_timelines_of_parts_add_up_to_those_of_all(rows: Rows, data: st.DataObject) -> None:
    distinct = {tuple(map(_normal, event.values())): event for event in rows}.values()
    parts: list[Rows] = [[], [], []]
    for event in data.draw(st.permutations(list(distinct))):
        parts[data.draw(st.integers(0, 2))].append(event)
    lives = [timelines(_sorted(part)) for part in parts]
    assert_equal(Timelines.total(lives, PLAIN), timelines(_sorted(list(distinct))))
    assert_equal(Timelines.total(lives[:1], PLAIN), lives[0])


def _normal(text: str) -> str:
    """Texts that are parsed alike are alike."""
    return text.replace("T", " ").removesuffix("Z").lower()


def _sorted(rows: Rows) -> SortedEvents:
    return sort_events([part.events for part in parse(csv_text(rows))])


def assert_equal(left: Timelines, right: Timelines) -> None:
    for field in fields(Timelines):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(one, SessionSpans | OwnEvents):
            assert all(
                np.array_equal(value, vars(other)[name]) for name, value in vars(one).items()
            )
            continue
        if isinstance(one, Hashes):
            one, other = one.hex(), other.hex()
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one.equals(other)
