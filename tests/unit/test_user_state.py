"""What streaming remembers of a user comes, in any order and with any repetition, to batch's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apache_beam.transforms.window import IntervalWindow, Sessions, WindowFn
from apache_beam.utils.timestamp import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import csv_text, parse, row
from tests.support.thorough import examples
from tests.unit.test_contributions import assert_equal
from transforms.kernels.codecs.head_codec import decode_head, encode_head
from transforms.kernels.codecs.record_codec import (
    Record,
    decode_records,
    encode_users,
    sorted_events,
)
from transforms.kernels.sessions import SortedEvents, number_sessions, sort_events
from transforms.kernels.timelines import timelines
from transforms.kernels.user_head import Place, UserHead, timelines_of_heads
from transforms.kernels.user_state import AdvancedUser, advance_user, without_those_before
from transforms.reckoning import PLAIN, Reckoning

_SETTINGS = settings(
    max_examples=examples(30, 100), deadline=None, suppress_health_check=list(HealthCheck)
)
Rows = list[dict[str, str]]
Places = dict[tuple[int, int], Place]
START = datetime(2025, 10, 1)


def sorted_of(rows: Rows) -> SortedEvents:
    (parsed,) = parse(csv_text(rows))
    return sort_events([parsed.events])


def records_of(rows: Rows) -> list[Record]:
    ((_, data),) = encode_users(sorted_of(rows))
    return decode_records(data)


def at(minutes: float) -> dict[str, str]:
    return row((START + timedelta(minutes=minutes)).isoformat())


class User:
    """A user's state as a worker keeps it, and what was written of the user's events."""

    def __init__(self, reckoning: Reckoning = PLAIN) -> None:
        self._reckoning = reckoning
        self._stored: bytes | None = None
        self.recent: list[Record] = []
        self.written: Places = {}
        self.asked = 0

    @property
    def head(self) -> UserHead:
        assert self._stored is not None
        return decode_head(self._stored)

    def take(self, rows: Rows) -> AdvancedUser:
        head = decode_head(self._stored) if self._stored else None
        step = advance_user("ann", head, records_of(rows), self._read, self._reckoning)
        if step.new:
            self._stored = encode_head(step.head)
        self.recent += [event.record for event in step.new]
        for record, place in step.renumbered:
            assert self.written[record[1:3]] != place
        assert not {event.record[1:3] for event in step.new} & self.written.keys()
        self.written |= {event.record[1:3]: event.place for event in step.new + step.renumbered}
        return step

    def _read(self) -> Sequence[Record]:
        self.asked += 1
        return self.recent

    def drop(self, since_us: int) -> None:
        head, self.recent = without_those_before(self.head, self.recent, since_us, self._reckoning)
        self._stored = encode_head(head)


def places_of_batch(rows: Rows) -> Places:
    """Where batch's kernel sees the events of one user."""
    events = sorted_of(rows)
    sessions = number_sessions(events)
    starts = events.time_us[sessions.starts]
    places = zip(
        events.time_us.tolist(),
        starts[sessions.session].tolist(),
        sessions.sequence.tolist(),
        strict=True,
    )
    ids = zip(events.ids.high.tolist(), events.ids.low.tolist(), strict=True)
    return dict(zip(ids, (Place(*place) for place in places), strict=True))


@st.composite
def bundles_of(draw: st.DrawFn) -> list[Rows]:
    ours = [{**event, "user_id": "ann"} for event in draw(row_lists)]
    waiting = draw(st.permutations(ours + draw(st.lists(st.sampled_from(ours)))))
    bundles = []
    while waiting:
        size = draw(st.integers(1, len(waiting)))
        bundles.append(waiting[:size])
        waiting = waiting[size:]
    return bundles


@_SETTINGS
@given(bundles=bundles_of())
def test_any_order_and_repetition_comes_to_the_timeline_and_sessions_of_the_events(
    bundles: list[Rows],
) -> None:
    user = User()
    steps = [user.take(bundle) for bundle in bundles]
    rows = [row for bundle in bundles for row in bundle]
    expected = sorted_of(rows)
    assert_equal(timelines_of_heads({"ann": user.head}), timelines(expected))
    assert user.written == places_of_batch(rows)
    assert sum(len(step.new) for step in steps) == len(expected.time_us)
    distinct = sum(len(records_of(bundle)) for bundle in bundles)
    assert sum(len(step.new) + step.repeated for step in steps) == distinct


def windows_of_beam(times_us: Sequence[int]) -> list[IntervalWindow]:
    """The session windows of Beam that events fall into."""
    sessions = Sessions(PLAIN.session_gap_us // 1_000_000)
    windows = [
        window
        for time_us in times_us
        for window in sessions.assign(WindowFn.AssignContext(Timestamp(micros=time_us)))
    ]
    context = _Merging(windows)
    sessions.merge(context)
    return context.merged


class _Merging(WindowFn.MergeContext):
    def __init__(self, windows: list[IntervalWindow]):
        super().__init__(windows)
        self.merged = list(windows)

    def merge(self, to_be_merged: list[IntervalWindow], merge_result: IntervalWindow) -> None:
        self.merged = [window for window in self.merged if window not in to_be_merged]
        self.merged.append(merge_result)


@_SETTINGS
@given(
    minutes=st.lists(
        st.sampled_from([0, 29, 30, 31, 45, 60, 61, 1_439]).map(float)
        | st.floats(0, 300, allow_nan=False),
        min_size=1,
        max_size=20,
    )
)
def test_sessions_are_those_of_beams_windows_of_30_minutes(minutes: list[float]) -> None:
    user = User()
    for minute in minutes:
        user.take([at(minute)])
    windows = windows_of_beam([place.time_us for place in user.written.values()])
    ours: dict[int, list[int]] = {}
    for place in sorted(user.written.values()):
        ours.setdefault(place.session_us, []).append(place.time_us)
        assert place.sequence == len(ours[place.session_us])
    assert {(times[0], times[-1] + PLAIN.session_gap_us) for times in ours.values()} == {
        (window.start.micros, window.end.micros) for window in windows
    }


def test_an_event_in_order_asks_for_no_other_and_renumbers_none() -> None:
    user = User()
    for minute in range(0, 1_000, 7):
        step = user.take([at(minute)])
        assert (len(step.new), step.renumbered, step.repeated) == (1, [], 0)
    assert user.asked == 0
    user.take([at(993), at(1_000)])
    assert user.asked == 1


def test_a_late_event_renumbers_those_behind_it_in_its_session_and_no_others() -> None:
    user = User()
    for minute in (0, 10, 40, 100, 110):
        user.take([at(minute)])
    step = user.take([at(5), at(25)])
    assert sorted(event.place.time_us for event in step.renumbered) == [
        sorted_of([at(minute)]).time_us[0] for minute in (10, 40)
    ]
    assert user.written == places_of_batch([at(m) for m in (0, 5, 10, 25, 40, 100, 110)])


def test_what_one_event_of_an_endless_session_costs_does_not_grow() -> None:
    """By what is read and written: the sizes of states, not seconds."""
    user, sizes = User(), []
    for number in range(300):
        step = user.take([at(number)])
        assert len(step.new) == 1
        sizes.append(len(encode_head(step.head)))
    assert (user.asked, step.new[0].place.sequence) == (0, 300)
    assert max(sizes[200:]) == max(sizes[100:200])


def test_events_that_are_dropped_leave_the_numbers_of_those_behind_them() -> None:
    rows = [at(minute) for minute in (0, 10, 20, 35, 50, 90, 95)]
    user = User()
    user.take(rows)
    cut = sorted_of([at(20)]).time_us[0]
    user.drop(cut)
    assert [record.time_us for record in user.recent] == sorted_of(rows[2:]).time_us.tolist()
    user.take([at(25)])
    user.take([at(21), at(100)])
    everything = [*rows, at(25), at(21), at(100)]
    assert user.written == places_of_batch(everything)
    assert_equal(timelines_of_heads({"ann": user.head}), timelines(sorted_of(everything)))


def test_what_follows_when_all_events_are_dropped_goes_on_with_the_session() -> None:
    user = User()
    user.take([at(0), at(10)])
    user.drop(sorted_of([at(10)]).time_us[0] + 1)
    assert user.recent == []
    user.take([at(30)])
    user.take([at(20)])
    assert user.written == places_of_batch([at(0), at(10), at(20), at(30)])


def test_an_earlier_first_event_is_the_first_one_also_of_a_long_history() -> None:
    rows = [at(1_440 * day) for day in range(1, 80)]
    user = User()
    for event in rows:
        user.take([event])
    assert user.head.timeline
    first = row((START + timedelta(minutes=5)).isoformat(), source="paid", platform="Web")
    user.take([first])
    found = timelines_of_heads({"ann": user.head})
    assert_equal(found, timelines(sorted_of([first, *rows])))
    assert found.first_utm_source.to_pylist() == ["paid"]


def test_a_repeated_event_changes_nothing() -> None:
    user = User()
    user.take([at(0), at(1)])
    before = encode_head(user.head)
    step = user.take([at(1), at(0)])
    assert (step.new, step.renumbered, step.repeated) == ([], [], 2)
    assert encode_head(user.head) == before


def test_many_heads_are_read_together_as_each_by_itself() -> None:
    heads, events = {}, {}
    for number, user_id in enumerate(("zoë", "ann", "bob", "\U0001f600", "cy")):
        rows = [
            {**at(1_440 * day + 3 * number), "user_id": user_id} for day in range(20 * number + 1)
        ]
        events[user_id] = records_of(rows)
        head = None
        for record in events[user_id]:
            head = advance_user(user_id, head, [record], list).head
        assert head is not None
        heads[user_id] = head
    assert_equal(timelines_of_heads(heads), timelines(sorted_events(events)))
