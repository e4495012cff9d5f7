"""Event and session ids: what they are, and that events which differ in anything have others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import ids
from tests.support.tables import COLLIDING, compute, csv_text, parse
from tests.support.thorough import examples
from transforms.data_error import DataError
from transforms.kernels import sessions
from transforms.kernels.compression import digests
from transforms.kernels.event_batch import EVENT_BATCH, event_batch
from transforms.kernels.event_ids import event_ids
from transforms.kernels.hashing import Hashes, ascii_array
from transforms.kernels.id_text import event_digits, session_digits
from transforms.kernels.sessions import number_sessions, sort_events
from transforms.quality.declaration import EVENT_ID
from transforms.quality.refused_values import refused
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

Event = tuple[int, str, int, str | None, int | None, int, str | None, str | None]

GOOD: Event = (1_767_607_200_000_000, "ann", 2, "flight", None, 0, "paid", "SG")
ANOTHER: Event = (1_767_607_200_000_001, "bob", 0, None, 0, 1, None, None)


def batch_of(events: list[Event]) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {
        name: [event[place] for event in events] for place, name in enumerate(EVENT_BATCH.names)
    }
    return event_batch(columns)


def ids_of(events: list[Event]) -> list[str]:
    table = pa.Table.from_batches([batch_of(events)])
    users = table["user_id"].chunk(0)
    return digits_of(event_ids(table, digests(users), np.arange(len(users))))


def digits_of(hashes: Hashes) -> list[str]:
    return [str(digits) for digits in ascii_array(event_digits(hashes)).to_pylist()]


def reference(event: Event) -> str:
    time_us, user, kind, category, miles, platform, source, country = event
    words = EVENT_TYPES[kind], PLATFORMS[platform]
    return ids.event_id(time_us, user, words[0], category, miles, words[1], source, country)


texts = st.one_of(
    st.sampled_from(["", "a", "b", "ab", "a\x00", "\x00", "\x00" * 16, "a" * 16, "é" * 40, "paid"]),
    st.text(max_size=80),
)
labels = st.one_of(st.none(), texts)
events = st.tuples(
    st.integers(946_684_800_000_000, 2**58),
    texts,
    st.integers(0, len(EVENT_TYPES) - 1),
    labels,
    st.one_of(st.none(), st.integers(0, 2**63 - 1)),
    st.integers(0, len(PLATFORMS) - 1),
    labels,
    labels,
)


class TestEventIds:
    @settings(max_examples=examples(33, 100), deadline=None)
    @given(rows=st.lists(events, max_size=8))
    def test_an_id_is_the_reference_in_any_company(self, rows: list[Event]) -> None:
        expected = [reference(event) for event in rows]
        assert ids_of(rows) == expected
        # So many events that pairs of labels are hashed instead of them.
        assert ids_of(rows * 40) == expected * 40

    @settings(max_examples=examples(66, 200), deadline=None)
    @given(one=events, other=events, places=st.sets(st.integers(0, 7), min_size=1))
    def test_a_difference_in_any_column_is_another_id(
        self, one: Event, other: Event, places: set[int]
    ) -> None:
        mixed: Any = tuple((other if at in places else one)[at] for at in range(8))
        found = ids_of([one, mixed])
        assert (found[0] == found[1]) == (one == mixed)

    @pytest.mark.parametrize("place", range(8))
    def test_each_column_counts_by_itself(self, place: int) -> None:
        changed: Any = (*GOOD[:place], ANOTHER[place], *GOOD[place + 1 :])
        assert len(set(ids_of([GOOD, changed]))) == 2

    def test_no_boundary_can_be_moved(self) -> None:
        split: list[tuple[str | None, ...]] = [
            ("ab", "c", "d"),
            ("a", "bc", "d"),
            ("a", "b", "cd"),
            ("abcd", None, None),
        ]
        split += [("", "abcd", None), (None, "abcd", ""), (None, None, "abcd"), ("abcd", "", "")]
        split += [("a\x00", "b", ""), ("a", "\x00b", ""), (None, None, None), ("", None, None)]
        rows: list[Event] = [
            (*GOOD[:3], category, *GOOD[4:6], source, country)
            for category, source, country in split
        ]
        rows += [(GOOD[0], user, *GOOD[2:]) for user in ("ann\x00", "an", "n", "paid")]
        assert len(set(ids_of(rows))) == len(rows)

    def test_no_amount_is_not_any_amount(self) -> None:
        amounts = [None, 0, 1, 2**62, 2**63 - 1]
        assert len(set(ids_of([(*GOOD[:4], amount, *GOOD[5:]) for amount in amounts]))) == 5

    def test_two_columns_that_swap_their_values_are_another_event(self) -> None:
        swapped = (*GOOD[:6], GOOD[7], GOOD[6])
        assert len(set(ids_of([GOOD, swapped]))) == 2

    def test_events_of_more_than_one_chunk_have_each_their_id(self) -> None:
        rows: list[Event] = [(GOOD[0] + n, f"u{n % 700}", *GOOD[2:]) for n in range(40_000)]
        found = ids_of(rows)
        assert len(set(found)) == len(rows)
        for at in (0, 32_767, 32_768, 39_999):
            assert found[at] == reference(rows[at])

    def test_a_fixed_id_stays(self) -> None:
        assert ids_of([GOOD, ANOTHER]) == [
            "BwJos4qUjHgPRb-g1XAd9V",
            "WCqqiDfRY0B25vYvHHj2d-",
        ]


class TestSessionIds:
    @settings(deadline=None)
    @given(
        users=st.lists(texts, min_size=1, max_size=4), firsts=st.lists(st.integers(-(2**54), 2**54))
    )
    def test_an_id_is_the_reference(self, users: list[str], firsts: list[int]) -> None:
        rows = np.arange(len(firsts)) % len(users)
        found = session_digits(digests(pa.array(users)), rows, np.array(firsts, np.int64))
        expected = [
            ids.session_id(users[row], first) for row, first in zip(rows, firsts, strict=True)
        ]
        assert ascii_array(found).to_pylist() == expected

    def test_a_fixed_id_stays_and_is_that_of_the_first_event(self) -> None:
        events = sort_events([batch_of([GOOD, (GOOD[0] + 60_000_000, *GOOD[1:])])])
        found = ascii_array(number_sessions(events).id_digits).to_pylist()
        assert found == [ids.session_id("ann", GOOD[0])] == ["enYzsIMInRAfZECIEiEYYkWdLsiV"]


class TestTexts:
    @given(blocks=st.lists(st.binary(min_size=16, max_size=16), max_size=5))
    def test_the_text_of_an_id_is_that_of_its_bytes_and_sorts_as_they_do(
        self, blocks: list[bytes]
    ) -> None:
        hashes = Hashes.of(np.frombuffer(b"".join(blocks), "<u8").reshape(-1, 2))
        found = digits_of(hashes)
        assert found == [ids.text_of(block) for block in blocks]
        assert sorted(found) == [ids.text_of(block) for block in sorted(blocks)]

    def test_sessions_of_a_user_sort_by_their_beginning(self) -> None:
        seconds = [-(2**35), -1, 0, 1, 63, 64, 4095, 4096, 2**31, 2**35 - 1]
        first_us = np.array(seconds) * 1_000_000
        found = session_digits(digests(pa.array(["ann"])), np.zeros(10, np.int64), first_us)
        texts = ascii_array(found).to_pylist()
        assert sorted(set(texts)) == texts

    @pytest.mark.parametrize("letter", ["=", "+", "/", ":", "@", "[", "`", "{", ",", "é", " "])
    def test_a_character_that_no_id_has_is_refused(self, letter: str) -> None:
        good = [ids.text_of(bytes(range(at, at + 16))) for at in range(100)]
        assert refused(pa.chunked_array([good]), EVENT_ID) is None
        for bad in (letter + good[7][1:], good[7][:-1] + letter, good[7][1:], ""):
            rows = refused(pa.chunked_array([[*good, bad]]), EVENT_ID)
            assert rows is not None and np.flatnonzero(rows).tolist() == [100]


class TestCollisions:
    def test_events_that_were_made_to_collide_are_two(self) -> None:
        (parsed,) = parse(csv_text(COLLIDING))
        assert len(parsed.events) == 2
        events = sort_events([parsed.events])
        assert (len(events.ids), events.duplicates) == (2, 0)
        assert digits_of(events.ids) == sorted(set(digits_of(events.ids)))
        assert compute([parsed.events])["fct_events"].num_rows == 2

    def test_different_events_of_one_id_are_reported_and_nothing_is_dropped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def equal(table: pa.Table, *_: object) -> Hashes:
            return Hashes(*(np.full(len(table), 255, np.uint64) for _ in range(2)))

        monkeypatch.setattr(sessions, "event_ids", equal)
        (parsed,) = parse(csv_text(COLLIDING))
        same = sort_events([parsed.events.slice(0, 1), parsed.events.slice(0, 1)])
        assert (len(same.ids), same.duplicates) == (1, 1)
        with pytest.raises(DataError) as raised:
            sort_events([parsed.events])
        output = str(raised.value)
        assert f"event_id {ids.text_of((bytes(7) + bytes([255])) * 2)}:" in output
        for part in ("user_id 'ann'", "2025-12-31T10:00:00Z", "event_type 'share'", "'SG'"):
            assert output.count(part) == 2
        assert all(repr(event["transaction_category"]) in output for event in COLLIDING)
        assert "take one of the two rows out" in output


def test_the_largest_time_and_amount_fit() -> None:
    last = int((datetime(9999, 12, 31) - datetime(1970, 1, 1)) / timedelta(microseconds=1))
    rows: list[Event] = [(last, *GOOD[1:4], 2**63 - 1, *GOOD[5:])]
    assert ids_of(rows) == [reference(rows[0])]
