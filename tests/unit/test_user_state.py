"""What streaming remembers of a user comes, in any order and with any repetition, to batch's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import NOW, csv_text, parse, row
from tests.unit.test_contributions import assert_equal
from transforms.kernels.calendar import US_PER_DAY
from transforms.kernels.codecs.arrival_codec import decode_arrivals, encode_arrivals
from transforms.kernels.codecs.event_codec import decode_events, encode_events
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.kernels.user_state import (
    RecentEvents,
    advance,
    decode_timeline,
    encode_timeline,
)

_SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
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
@given(rows=row_lists)
def test_events_survive_their_encoding(rows: Rows) -> None:
    events = batch_of(rows)
    decoded = decode_events(encode_events(events))
    decoded.validate(full=True)
    assert decoded.schema.equals(events.schema)
    assert decoded.to_pylist() == events.to_pylist()
    assert encode_events(decoded) == encode_events(events)


@_SETTINGS
@given(rows=row_lists, first_us=st.integers(0, 2**62))
def test_arrivals_survive_their_encoding(rows: Rows, first_us: int) -> None:
    events = batch_of(rows)
    arrivals = encode_arrivals(events, first_us)
    decoded, arrived = decode_arrivals(reversed(arrivals))
    decoded.validate(full=True)
    assert decoded.schema.equals(events.schema)
    assert decoded.to_pylist() == events.to_pylist()[::-1]
    assert arrived.tolist() == [first_us + row for row in reversed(range(len(events)))]


def test_the_largest_values_survive_their_encoding() -> None:
    rows = [
        row("2024-01-01T00:00:00Z", "é" * 100_000, category="x" * 9),
        row("2000-01-01T00:00:00Z", "u", "miles_earned", amount=str(2**63 - 1), country=""),
        row("2024-01-01T00:00:00Z", "u", "miles_redeemed", amount="0", source=""),
    ]
    events = batch_of(rows)
    assert decode_events(encode_events(events)).to_pylist() == events.to_pylist()
    assert decode_arrivals(encode_arrivals(events, 0))[0].to_pylist() == events.to_pylist()
    for user in ("u", "é" * 100_000):
        timeline = timelines(sort_events([batch_of([r for r in rows if r["user_id"] == user])]))
        assert_equal(rebuilt(timeline), timeline)


def test_what_another_version_wrote_is_refused() -> None:
    events = batch_of([row("2024-01-01T00:00:00Z")])
    with pytest.raises(ValueError, match="version 9, not 1"):
        decode_events(b"\x09" + encode_events(events)[1:])
    with pytest.raises(ValueError, match="version 9, not 1"):
        decode_arrivals([b"\x09" + encode_arrivals(events, 0)[0][1:]])
    timeline = encode_timeline(timelines(sort_events([events])))
    with pytest.raises(ValueError, match="version 9, not 2"):
        decode_timeline("ann", b"\x09" + timeline[1:])


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
        step = advance(before, recent, batch_of(arrivals[:size]), NOW_US, NOW_US)
        assert step.timeline is not None
        state = encode_timeline(step.timeline)
        recent = RecentEvents.from_bytes(step.recent.to_bytes())
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
        step = advance(None, recent, batch_of([row(time.isoformat())]), us(time), 3 * US_PER_DAY)
        recent = step.recent
        assert len(recent.time_us) == min(today + 1, 4)
        assert len(recent.to_bytes()) == 24 * len(recent.time_us)


@pytest.mark.parametrize("ahead", [timedelta(days=30), timedelta(days=-30)])
def test_a_clock_that_is_days_ahead_or_behind_makes_no_repeat_a_new_event(
    ahead: timedelta,
) -> None:
    today = datetime(2024, 1, 10)
    events = batch_of([row((today - timedelta(days=day)).isoformat()) for day in range(7)])
    first = advance(None, RecentEvents.none(), events, us(today), 8 * US_PER_DAY)
    more = batch_of([row((today + timedelta(hours=1)).isoformat())])
    later = advance(first.timeline, first.recent, more, us(today + ahead), 8 * US_PER_DAY)
    again = advance(later.timeline, later.recent, events, us(today), 8 * US_PER_DAY)
    assert (len(again.new.time_us), again.repeated) == (0, 7)


def test_nothing_new_changes_nothing() -> None:
    events = batch_of([row("2024-01-01T00:00:00Z")])
    first = advance(None, RecentEvents.none(), events, NOW_US, NOW_US)
    again = advance(first.timeline, first.recent, events, NOW_US, NOW_US)
    assert (len(again.new.time_us), again.repeated) == (0, 1)
    assert again.timeline is first.timeline
    assert again.recent is first.recent


@pytest.mark.parametrize(("days", "most"), [(1, 80), (100, 1_000), (1_000, 10_000)])
def test_a_day_takes_few_bytes(days: int, most: int) -> None:
    start = datetime(2020, 1, 1)
    rows = [
        row((start + timedelta(days=day, hours=hour)).isoformat(), "ann", kind)
        for day in range(days)
        for hour, kind in enumerate(["miles_earned", "share", "like"])
    ]
    assert len(encode_timeline(timelines(sort_events([batch_of(rows)])))) <= most
