"""What streaming remembers of a user comes, in any order and with any repetition, to batch's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import NOW, csv_text, parse, row
from tests.support.thorough import examples
from tests.unit.test_contributions import assert_equal
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.codecs.recent_codec import decode_recent, encode_recent
from transforms.kernels.codecs.single_timeline import decode_timeline, encode_timeline
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.kernels.user_state import RecentEvents, advance_user

_SETTINGS = settings(
    max_examples=examples(20, 60), deadline=None, suppress_health_check=list(HealthCheck)
)
Rows = list[dict[str, str]]


def us(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)).total_seconds() * 1e6)


NOW_US = us(NOW)


def batch_of(rows: Rows) -> pa.RecordBatch:
    (parsed,) = parse(csv_text(rows))
    return parsed.events


def rebuilt(timeline: Timelines) -> Timelines:
    return decode_timeline(timeline.user_id[0].as_py(), encode_timeline(timeline))


@_SETTINGS
@given(rows=row_lists, data=st.data())
def test_any_order_and_repetition_comes_to_the_timeline_of_the_events(
    rows: Rows, data: st.DataObject
) -> None:
    ours = [{**event, "user_id": "ann"} for event in rows]
    arrivals = data.draw(st.permutations(ours + data.draw(st.lists(st.sampled_from(ours)))))
    state: bytes | None = None
    recent = RecentEvents.none()
    new = repeated = 0
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        before = None if state is None else decode_timeline("ann", state)
        step = advance_user(before, recent, batch_of(arrivals[:size]), NOW_US, NOW_US)
        assert step.timeline is not None
        state = encode_timeline(step.timeline)
        recent = decode_recent(encode_recent(step.recent))
        new, repeated = new + len(step.new.time_us), repeated + step.repeated
        arrivals = arrivals[size:]
    expected = sort_events([batch_of(ours)])
    assert state is not None
    assert_equal(decode_timeline("ann", state), timelines(expected))
    assert new == len(expected.time_us)
    assert new + repeated >= len(ours)


def test_events_are_forgotten_once_they_are_too_old_to_be_taken() -> None:
    start = datetime(2024, 1, 1)
    times = [start + timedelta(days=day) for day in range(10)]
    recent = RecentEvents.none()
    for today, time in enumerate(times):
        step = advance_user(
            None, recent, batch_of([row(time.isoformat())]), us(time), 3 * US_PER_DAY
        )
        recent = step.recent
        assert len(recent.time_us) == min(today + 1, 4)
        assert len(encode_recent(recent)) == 1 + 24 * len(recent.time_us)


@pytest.mark.parametrize("ahead", [timedelta(days=30), timedelta(days=-30)])
def test_a_clock_that_is_days_ahead_or_behind_makes_no_repeat_a_new_event(
    ahead: timedelta,
) -> None:
    today = datetime(2024, 1, 10)
    events = batch_of([row((today - timedelta(days=day)).isoformat()) for day in range(7)])
    first = advance_user(None, RecentEvents.none(), events, us(today), 8 * US_PER_DAY)
    more = batch_of([row((today + timedelta(hours=1)).isoformat())])
    later = advance_user(first.timeline, first.recent, more, us(today + ahead), 8 * US_PER_DAY)
    again = advance_user(later.timeline, later.recent, events, us(today), 8 * US_PER_DAY)
    assert (len(again.new.time_us), again.repeated) == (0, 7)


def test_nothing_new_changes_nothing() -> None:
    events = batch_of([row("2024-01-01T00:00:00Z")])
    first = advance_user(None, RecentEvents.none(), events, NOW_US, NOW_US)
    again = advance_user(first.timeline, first.recent, events, NOW_US, NOW_US)
    assert (len(again.new.time_us), again.repeated) == (0, 1)
    assert again.timeline is first.timeline
    assert again.recent is first.recent
