"""Increments in any order, with repetitions, come to what one batch over everything comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import WRITTEN_AT, codes, compute, csv_text, finish, parse, row
from tests.support.thorough import examples
from tests.unit.test_contributions import assert_equal
from transforms.data_error import DataError
from transforms.figure_settings import FigureSettings
from transforms.kernels.codecs.timeline_codec import decode_timelines, encode_timelines
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.increments import (
    Advanced,
    StoredEvents,
    advance,
    change,
    dates_near,
    of_users,
)
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.kernels.user_dates import UserDates, touched_dates
from transforms.mart_changes import changed_events, changed_users
from transforms.mart_changes import finish as finish_changes
from transforms.marts.registry import TABLES
from transforms.reckoning import PLAIN, Reckoning
from transforms.stored_events import numbered
from transforms.vocabulary import EVENT_TYPES

_SETTINGS = settings(
    max_examples=examples(10, 150), deadline=None, suppress_health_check=list(HealthCheck)
)
ACTIVE = codes(EVENT_TYPES)
NOW_US = 1_767_225_600_000_000
Rows = list[dict[str, str]]


def batches_of(rows: Rows) -> list[pa.RecordBatch]:
    return [part.events for part in parse(csv_text(rows))]


@dataclass
class Home:
    """A warehouse in memory, kept by Python's own means: rows by key, timelines by user.

    Attributes:
        asked: for each call of `advance`, the user dates that it was given.
        reckoning: how time is reckoned.
    """

    tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = field(
        default_factory=lambda: {name: {} for name in TABLES}
    )
    lives: dict[str, bytes] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters.empty)
    duplicates: int = 0
    asked: list[int] = field(default_factory=list)
    reckoning: Reckoning = PLAIN

    @property
    def figures(self) -> FigureSettings:
        return FigureSettings(reckoning=self.reckoning)

    def update(self, rows: Rows, near: bool = True) -> Advanced:
        """Take some rows in, as an update reads and writes."""
        events = batches_of(rows)
        users = pa.array(sorted({item["user_id"] for item in rows} & set(self.lives)))
        stored_lives = pa.array([self.lives[user] for user in users.to_pylist()], pa.binary())
        before = decode_timelines(users.cast(pa.string()), stored_lives)
        wanted: set[tuple[str, int]] = set()
        if near:
            wanted |= pairs(dates_near(before, events, reckoning=self.reckoning))
        step = self.advance(before, wanted, events)
        while isinstance(step, UserDates):
            more = pairs(step)
            assert more
            assert not more & wanted
            wanted |= more
            step = self.advance(before, wanted, events)
        self.asked.append(len(wanted))
        self.commit(step)
        return step

    def advance(
        self, before: Timelines, wanted: set[tuple[str, int]], events: Sequence[pa.RecordBatch]
    ) -> Advanced | UserDates:
        stored = self.read(wanted)
        return advance(before, stored, events, ACTIVE, EVENT_TYPES, self.reckoning)

    def read(self, dates: set[tuple[str, int]]) -> StoredEvents:
        """The stored events of dates of users."""
        found = [
            item
            for item in self.tables["fct_events"].values()
            if (item["user_id"], self.day_of(item["event_time"])) in dates
        ]
        return numbered(pa.Table.from_pylist(found, TABLES["fct_events"].arrow_schema))

    def day_of(self, time: datetime) -> int:
        local = time.replace(tzinfo=UTC).astimezone(ZoneInfo(self.reckoning.zone))
        return (local.date() - date(1970, 1, 1)).days

    def commit(self, step: Advanced) -> None:
        events = changed_events(step, WRITTEN_AT)
        known = self.tables["fct_events"]
        for item in events.new.to_pylist():
            assert known.setdefault((item["event_id"],), item) is item
        for item in events.renumbered.to_pylist():
            # Nothing is written that is as it was.
            assert known[item["event_id"],] != item
            known[item["event_id"],] = item
        users = changed_users(step.before, step.after, ACTIVE, WRITTEN_AT)
        self.merge("dim_users", users.users)
        self.merge("users_with_negative_miles", users.negative)
        self.delete("users_with_negative_miles", users.recovered)
        after = Counters.total([self.counters, step.counters])
        by_deletes = {table.deletes.name: name for name, table in TABLES.items()}
        finished = finish_changes(self.counters, after, NOW_US, self.figures)
        for name, table in finished.changed.items():
            if name in by_deletes:
                self.delete(by_deletes[name], table)
            elif name in TABLES:
                self.merge(name, table)
        self.counters = after
        self.duplicates += step.repeated
        encoded = encode_timelines(step.after).to_pylist()
        self.lives.update(zip(step.after.user_id.to_pylist(), encoded, strict=True))

    def merge(self, name: str, rows: pa.Table) -> None:
        for item in rows.to_pylist():
            self.tables[name][key_of(name, item)] = item

    def delete(self, name: str, rows: pa.Table) -> None:
        for item in rows.to_pylist():
            del self.tables[name][key_of(name, item)]


def key_of(name: str, item: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(item[column] for column in TABLES[name].primary_key)


def pairs(dates: UserDates) -> set[tuple[str, int]]:
    found = list(zip(dates.user_id.to_pylist(), dates.date.tolist(), strict=True))
    assert len(set(found)) == len(found)
    return set(found)


def assert_is_a_batch(home: Home, rows: Rows) -> None:
    """That a home holds what one batch over all rows makes, by the kernels of batch."""
    batch = compute(batches_of(rows), reckoning=home.reckoning)
    moment = {table.written_at for table in TABLES.values()}
    for name, table in batch.items():
        expected = {key_of(name, item): item for item in table.to_pylist()}
        assert drop(home.tables[name], moment) == drop(expected, moment), name
    lives = timelines(sort_events(batches_of(rows), EVENT_TYPES, home.reckoning))
    assert home.lives == dict(
        zip(lives.user_id.to_pylist(), encode_timelines(lives).to_pylist(), strict=True)
    )
    assert home.counters == contributions(lives, ACTIVE, home.reckoning)


def drop(rows: dict[Any, dict[str, Any]], names: Iterable[str | None]) -> dict[Any, Any]:
    return {
        key: {name: value for name, value in item.items() if name not in names}
        for key, item in rows.items()
    }


def assert_is_a_loop(home: Home, rows: Rows) -> None:
    """That events, sessions and users are those of a plain loop over distinct source rows."""
    distinct = {
        tuple(item.values()): item for batch in batches_of(rows) for item in batch.to_pylist()
    }
    stored = list(home.tables["fct_events"].values())
    assert len(stored) == len(distinct)
    by_user: dict[str, list[dict[str, Any]]] = {}
    for item in sorted(stored, key=lambda item: (item["event_time"], item["event_id"])):
        by_user.setdefault(item["user_id"], []).append(item)
    assert sorted(by_user) == sorted({item["user_id"] for item in distinct.values()})
    for user, items in by_user.items():
        number, session = 0, ""
        sessions = set()
        last = datetime(1970, 1, 1)
        for item in items:
            gap, last = item["event_time"] - last, item["event_time"]
            if gap >= timedelta(minutes=30):
                number, session = 0, item["session_id"]
                assert session not in sessions
                sessions.add(session)
            number += 1
            assert item["event_sequence_in_session"] == number
            assert item["is_session_start"] == (number == 1)
            assert item["session_id"] == session
        known = home.tables["dim_users"][user,]
        assert known["first_seen_at"] == items[0]["event_time"]
        assert known["last_seen_at"] == items[-1]["event_time"]
        assert known["first_utm_source"] == items[0]["utm_source"]
        earned, redeemed = (
            sum(item["miles_amount"] for item in items if item["event_type"] == kind)
            for kind in ("miles_earned", "miles_redeemed")
        )
        assert known["current_miles_balance"] == earned - redeemed
        assert ((user,) in home.tables["users_with_negative_miles"]) == (earned < redeemed)


def in_parts(rows: Rows, data: st.DataObject) -> list[Rows]:
    """The rows in any order, some of them twice or more, in any partition."""
    again = data.draw(st.lists(st.sampled_from(rows), max_size=len(rows)))
    arrivals = data.draw(st.permutations(rows + again))
    cuts = data.draw(st.lists(st.integers(1, len(arrivals)), max_size=6))
    bounds = sorted({0, len(arrivals), *cuts})
    return [arrivals[start:stop] for start, stop in pairwise(bounds)]


def check_parts(parts: Sequence[Rows], rows: Rows, near: bool) -> None:
    home = Home()
    for part in parts:
        home.update(part, near)
    assert_is_a_batch(home, rows)
    assert_is_a_loop(home, rows)
    came = sum(len(part) for part in parts)
    assert home.duplicates + len(home.tables["fct_events"]) == came


@_SETTINGS
@given(rows=row_lists, data=st.data(), near=st.booleans())
def test_any_partition_comes_to_the_batch(rows: Rows, data: st.DataObject, near: bool) -> None:
    check_parts(in_parts(rows, data), rows, near)


# Around three midnights, so that sessions go on over one, two and three of them.
_NIGHT = datetime(2024, 2, 28, 23)
_STEPS = st.integers(0, 3 * 24 * 6 + 12).map(lambda step: _NIGHT + timedelta(minutes=10 * step))
_DENSE = st.lists(
    st.builds(
        lambda at, late, user: row((at + late).isoformat(), user),
        _STEPS,
        st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(minutes=9)]),
        st.sampled_from(["ann", "bob"]),
    ),
    min_size=1,
    max_size=12,
)


def every(minutes: int, start: datetime, stop: datetime, user: str = "ann") -> Rows:
    steps = int((stop - start) / timedelta(minutes=minutes))
    return [
        row((start + timedelta(minutes=minutes * step)).isoformat(), user)
        for step in range(steps + 1)
    ]


@_SETTINGS
@given(
    rows=_DENSE,
    chain=st.tuples(_STEPS, _STEPS, st.sampled_from([20, 29, 30])),
    holes=st.sets(st.integers(0, 200)),
    data=st.data(),
    near=st.booleans(),
)
def test_sessions_over_midnights_come_to_the_batch(
    rows: Rows,
    chain: tuple[datetime, datetime, int],
    holes: set[int],
    data: st.DataObject,
    near: bool,
) -> None:
    start, stop, minutes = min(chain[:2]), max(chain[:2]), chain[2]
    long = [item for at, item in enumerate(every(minutes, start, stop)) if at not in holes]
    everything = rows + long
    check_parts(in_parts(everything, data), everything, near)


def test_nothing_before_is_a_batch() -> None:
    rows = every(20, _NIGHT, _NIGHT + timedelta(hours=3)) + every(7, _NIGHT, _NIGHT, "bob")
    step = advance(Timelines.none(), StoredEvents.none(), batches_of(rows + rows[:2]), ACTIVE)
    assert isinstance(step, Advanced)
    assert step.is_new.all()
    assert step.repeated == 2
    assert not len(step.before)
    assert changed_events(step, WRITTEN_AT).new.equals(compute(batches_of(rows))["fct_events"])
    assert_equal(step.after, timelines(sort_events(batches_of(rows))))


def test_an_event_in_order_renumbers_nothing_however_long_its_session() -> None:
    """A robot's session of three days: only the last date and its neighbour are read."""
    start = datetime(2024, 3, 1)
    home = Home()
    home.update(every(20, start, start + timedelta(days=3, hours=12)))
    step = home.update([row((start + timedelta(days=3, hours=12, minutes=5)).isoformat())])
    assert (len(step.events.rows), step.is_new.tolist()) == (1, [True])
    assert step.sessions.sequence.tolist() == [3 * 72 + 36 + 2]
    assert home.asked[-1] == 1
    step = home.update([row((start + timedelta(days=4, minutes=-1)).isoformat())])
    assert step.sessions.sequence.tolist() == [1]
    assert home.asked[-1] == 1


def test_a_late_event_reads_on_as_far_as_it_renumbers() -> None:
    start = datetime(2024, 3, 1)
    rows = every(20, start, start + timedelta(days=3, hours=12))
    gap = [item for item in rows if item["event_time"] != "2024-03-02T12:00:00"]
    gap = [item for item in gap if item["event_time"] != "2024-03-02T12:20:00"]
    home = Home()
    home.update(gap)
    step = home.update([row("2024-03-02T12:09:00")])
    # It is 29 minutes from the event before, and 31 from the next one: nobody is renumbered.
    assert len(step.events.rows) == 1
    assert home.asked[-1] == 1
    step = home.update([row("2024-03-02T12:30:00")])
    # It joins both: all of the second session follows, over two midnights.
    assert len(step.events.rows) == 1 + len(
        [r for r in rows if r["event_time"] > "2024-03-02T12:30"]
    )
    assert home.asked[-1] == 3


def test_a_session_goes_on_over_midnight_though_only_its_own_date_was_read() -> None:
    for first, second, changed in (("28T23:50", "29T00:10", 1), ("29T00:10", "28T23:50", 2)):
        home = Home()
        home.update([row(f"2024-02-{first}:00")])
        step = home.update([row(f"2024-02-{second}:00")], near=False)
        assert home.asked[-1] == 1
        assert len(step.events.rows) == changed
        assert_is_a_batch(home, [row(f"2024-02-{at}:00") for at in (first, second)])


def test_what_repeats_changes_nothing() -> None:
    rows = every(20, _NIGHT, _NIGHT + timedelta(hours=3))
    home = Home()
    home.update(rows)
    step = home.update(rows[3:5] + rows[3:5])
    assert (step.repeated, len(step.events.rows), len(step.after)) == (4, 0, 0)
    assert step.counters == Counters.empty()


def test_users_are_taken_out_by_their_timelines() -> None:
    rows = every(300, _NIGHT, _NIGHT + timedelta(days=40)) + every(700, _NIGHT, _NIGHT, "bob")
    lives = timelines(sort_events(batches_of(rows)))
    ann = of_users(lives, pa.array(["ann", "nobody"]))
    assert ann.user_id.to_pylist() == ["ann"]
    left = Counters.total(
        [contributions(lives, ACTIVE), change(ann, Timelines.none(), ACTIVE, PLAIN)]
    )
    assert left == contributions(of_users(lives, pa.array(["bob"])), ACTIVE)


@pytest.mark.parametrize("lost", [1, 2])
def test_stored_events_that_are_not_those_of_the_timeline_are_refused(lost: int) -> None:
    home = Home()
    home.update(every(20, _NIGHT, _NIGHT + timedelta(minutes=40)))
    keys = list(home.tables["fct_events"])[:lost]
    for key in keys:
        del home.tables["fct_events"][key]
    with pytest.raises(DataError, match=rf"fct_events has {3 - lost} events of user 'ann' on 2024"):
        home.update([row((_NIGHT + timedelta(minutes=50)).isoformat())])


def test_stored_events_of_nobody_are_refused() -> None:
    home = Home()
    home.update(every(20, _NIGHT, _NIGHT))
    stored = home.read({("ann", home.day_of(_NIGHT))})
    with pytest.raises(DataError, match=r"has 1 events of user 'ann' .* the user's timeline 0"):
        advance(Timelines.none(), stored, batches_of(every(20, _NIGHT, _NIGHT)), ACTIVE)


def test_finish_tells_rows_that_differ_and_keys_that_go_as_tuples_do() -> None:
    """NULL is equal to NULL; a cohort whose only user turns out to be older goes."""
    first = every(600, datetime(2024, 2, 1), datetime(2024, 4, 1))
    earlier = [row("2023-12-31T00:00:00Z")]
    before = contributions(timelines(sort_events(batches_of(first))), ACTIVE)
    after = contributions(timelines(sort_events(batches_of(first + earlier))), ACTIVE)
    expected = {}
    for name, now in finish(after).items():
        was, table = finish(before)[name], TABLES[name]
        expected[name] = without(now, was, now.column_names)
        gone = without(was, now, list(table.primary_key))
        expected[table.deletes.name] = gone.select(list(table.deletes.column_names))
    found = finish_changes(before, after, NOW_US)
    of_marts = {name: rows for name, rows in found.changed.items() if name in expected}
    assert {name: rows.to_pylist() for name, rows in of_marts.items()} == {
        name: rows.to_pylist() for name, rows in expected.items() if rows.num_rows
    }
    assert found.changed[TABLES["retention_cohorts"].deletes.name].num_rows == 3
    unchanged = finish(after)["growth_drivers"].num_rows - found.changed["growth_drivers"].num_rows
    assert unchanged > 0
    assert finish(after)["growth_drivers"]["miles_earn_redeem_ratio"].null_count > unchanged


def without(rows: pa.Table, others: pa.Table, columns: list[str]) -> pa.Table:
    """The rows that none of the others equals in these columns."""
    known = {tuple(item[name] for name in columns) for item in others.to_pylist()}
    kept = [tuple(item[name] for name in columns) not in known for item in rows.to_pylist()]
    return rows.filter(pa.array(kept, pa.bool_()))


def test_of_equal_events_the_first_is_kept() -> None:
    """So that an event that is stored is not taken for a new one."""
    rows = every(20, _NIGHT, _NIGHT + timedelta(hours=9))
    events = sort_events(batches_of(rows) + batches_of(rows[::-1]) + batches_of(rows))
    assert events.rows.tolist() == list(range(len(rows)))
    assert events.duplicates == 2 * len(rows)
    assert np.array_equal(events.time_us, np.sort(events.time_us))


@_SETTINGS
@given(rows=row_lists, data=st.data())
def test_dates_are_touched_before_it_is_known_what_is_stored(
    rows: Rows, data: st.DataObject
) -> None:
    """Of the dates that are touched those with stored events are the ones that are near."""
    cut = data.draw(st.integers(0, len(rows) - 1))
    before = timelines(sort_events(batches_of(rows[:cut])))
    batches = batches_of(rows[cut:])
    touched = set().union(*(pairs(touched_dates(batch)) for batch in batches))
    had = {
        (before.user_id[user].as_py(), date)
        for user, date in zip(before.user_of_day.tolist(), before.date.tolist(), strict=True)
    }
    assert touched & had == pairs(dates_near(before, batches))
