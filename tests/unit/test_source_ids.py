"""Of events whose source says which each is one of each id stays, as a plain loop says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.replay.spreadsheet import cells_of, record_of
from tests.support import ids
from tests.support.tables import NOW
from transforms.data_error import DataError
from transforms.kernels.codecs.arrival_codec import decode_arrivals, encode_arrivals
from transforms.kernels.codecs.record_codec import Record as Kept
from transforms.kernels.codecs.record_codec import decode_records
from transforms.kernels.csv_layout import IDENTIFIED, Layout
from transforms.kernels.dead_letters import Record, how_to_read, reread
from transforms.kernels.event_batch import IDENTIFIED_BATCH, event_batch, with_identity
from transforms.kernels.hashing import Hashes, ascii_array
from transforms.kernels.id_text import event_digits, event_hashes
from transforms.kernels.parse import Limits
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.user_state import advance_user
from transforms.marts import dead_letter_events
from transforms.rules.rules_document import canonical, rules_of
from transforms.rules.rules_file import read_rules
from transforms.rules.shapes import ShapeError
from transforms.stored_events import CAME_WITH_ID, restored, stored
from transforms.touched_dates import ids_of
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

START: Final = datetime(2025, 10, 1)
SOURCE: Final = "/data/a.jsonl"
Event = Mapping[str, Any]

events_of_any_id = st.builds(
    lambda seconds, user, source_id, miles, category: {
        "event_time": us(START + timedelta(seconds=seconds)),
        "user_id": user,
        "event_type": 0,
        "transaction_category": category,
        "miles_amount": miles,
        "platform": 2,
        "utm_source": None,
        "country": "SG",
        "source_id": source_id,
    },
    st.integers(0, 2),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from([None, "a", "b"]),
    st.integers(0, 1),
    st.sampled_from([None, 'a "shop", two\nlines']),
)


def us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def batch_of(events: Sequence[Event], position: int = 0) -> pa.RecordBatch:
    """Events as they come, with their places."""
    names = [name for name in IDENTIFIED_BATCH.names if name in (events[0] if events else ())]
    plain = event_batch({name: [event[name] for event in events] for name in names[:8]})
    identity = {
        "source_id": pa.array([event["source_id"] for event in events], pa.string()),
        "source": pa.array([SOURCE] * len(events), pa.string()),
        "position": pa.array([str(position + at) for at in range(len(events))], pa.string()),
    }
    return with_identity(plain, identity)


def content_id(event: Event) -> str:
    return ids.event_id(
        event["event_time"],
        event["user_id"],
        EVENT_TYPES[event["event_type"]],
        event["transaction_category"],
        event["miles_amount"],
        PLATFORMS[event["platform"]],
        event["utm_source"],
        event["country"],
    )


def id_of(event: Event) -> str:
    """The event's id, as docs/identifiers.md has it."""
    if event["source_id"] is None:
        return content_id(event)
    named = ids.joined(ids.digest("event_id"), ids.digest(event["source_id"]))
    return ids.text_of(ids.joined(named, ids.digest(event["user_id"])))


def texts_of(hashes: Hashes) -> list[str]:
    found: list[str] = ascii_array(event_digits(hashes)).to_pylist()
    return found


def letters_of(events: SortedEvents) -> pa.Table:
    return dead_letter_events.rows_of_sources(events.conflicts, NOW, "0")


@given(st.lists(events_of_any_id, min_size=1, max_size=12), st.integers(0, 12))
def test_one_of_each_id_stays(events: list[Event], cut: int) -> None:
    stays: dict[str, Event] = {}
    for event in sorted(events, key=lambda each: (each["event_time"], content_id(each))):
        stays.setdefault(id_of(event), event)
    equal = sum(content_id(event) == content_id(stays[id_of(event)]) for event in events)
    parts = [batch_of(part) for part in (events[:cut], events[cut:]) if part]
    found = sort_events(parts)
    assert sorted(texts_of(found.ids)) == sorted(stays)
    assert sorted(found.time_us.tolist()) == sorted(each["event_time"] for each in stays.values())
    assert found.duplicates == equal - len(stays)
    assert letters_of(found).num_rows == len(events) - equal


@given(st.lists(events_of_any_id, min_size=1, max_size=8), st.lists(events_of_any_id, max_size=8))
def test_what_is_stored_stays(first: list[Event], more: list[Event]) -> None:
    before = sort_events([batch_of(first)])
    there = batch_of(first).take(pa.array(before.rows))
    texts = pa.array(texts_of(before.ids))
    rows = with_identity(
        pa.RecordBatch.from_arrays(there.columns[:8], names=there.schema.names[:8]),
        {"stored_id": texts},
    )
    both = sort_events([rows, *([batch_of(more)] if more else [])])
    kept = {(row, text) for row, text in zip(both.rows.tolist(), texts_of(both.ids), strict=True)}
    assert kept >= set(enumerate(texts.to_pylist()))
    new = sorted(text for row, text in kept if row >= len(rows))
    assert new == sorted({id_of(event) for event in more} - set(texts.to_pylist()))


@given(st.lists(events_of_any_id, min_size=2, max_size=12))
def test_a_dead_letter_is_read_as_the_event_that_it_was(events: list[Event]) -> None:
    found = sort_events([batch_of(events)])
    letters = letters_of(found)
    for letter in letters.to_pylist():
        event = events[int(letter["position"])]
        assert (letter["source"], letter["error_type"]) == (SOURCE, "conflicting_event")
        assert (letter["user_id"], us(letter["event_time"])) == (
            event["user_id"],
            event["event_time"],
        )
        layout = how_to_read(letter)
        assert (
            layout
            == IDENTIFIED
            == Layout.from_attributes(
                {
                    "csv_header": {
                        "fields": 9,
                        **dict(zip(IDENTIFIED_BATCH.names[:8], range(8), strict=True)),
                        "event_id": 8,
                    }
                }
            )
            or layout == IDENTIFIED
        )
        record = Record(letter["payload"].encode(), layout)
        again = reread([record], NOW, Limits())
        assert content_id_of(again.events) == content_id(event)
        assert again.events["source_id"].to_pylist() == [event["source_id"]]
        assert again.texts["event_id"].to_pylist() == [event["source_id"]]
        # In a spreadsheet it stands under payload, with its id.
        assert record_of(cells_of(record), record) == record
        assert not any(cells_of(record)[:-1])
        kept = restored(stored(again.events).cast(CAME_WITH_ID.arrow_schema)).events
        assert kept["source_id"].to_pylist() == [event["source_id"]]


def content_id_of(events: pa.RecordBatch) -> str:
    (event,) = events.to_pylist()
    return content_id({**event, "event_time": us(event["event_time"])})


def test_a_message_says_what_differs() -> None:
    first, other = (
        {**example(), "source_id": "a", "miles_amount": miles, "transaction_category": "x" * 200}
        for miles in (5, 6)
    )
    second = {**other, "event_time": other["event_time"] + 1}
    (letter,) = letters_of(sort_events([batch_of([second, first])])).to_pylist()
    assert letter["error_message"] == (
        "event_id 'a' is that of another event of this user: event_time "
        "'2025-10-01T00:00:00.000001Z' here, and '2025-10-01T00:00:00Z' there; miles_amount '6' "
        "here, and '5' there. The other one stays"
    )
    assert letter["position"] == "0"


def example() -> dict[str, Any]:
    return {
        "event_time": us(START),
        "user_id": "ann",
        "event_type": 0,
        "transaction_category": None,
        "miles_amount": 5,
        "platform": 2,
        "utm_source": None,
        "country": None,
        "source_id": "a",
    }


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=20))
def test_ids_are_read_as_they_are_written(words: list[tuple[int, int]]) -> None:
    high, low = (np.array([pair[at] for pair in words], np.uint64) for at in (0, 1))
    digits = ascii_array(event_digits(Hashes(high, low)))
    for texts in (digits, pa.concat_arrays([digits, digits]).slice(len(digits))):
        found = event_hashes(texts)
        assert found.high.tolist() == high.tolist()
        assert found.low.tolist() == low.tolist()


@pytest.mark.parametrize("text", ["", "a" * 21, "a" * 23, "a" * 21 + "é", "a" * 21 + "+"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises((ValueError, pa.ArrowInvalid)):
        event_hashes(pa.array([text]))
    rows = with_identity(batch_of([example()]), {"stored_id": pa.array([text])})
    with pytest.raises(DataError, match="none of this version"):
        sort_events([rows])


def test_two_stored_events_of_one_id_are_refused() -> None:
    text = "a" * 21 + "0"
    stored_id = {"stored_id": pa.array([text]), "source": pa.nulls(1, pa.string())}
    one, other = (
        with_identity(batch_of([{**example(), "miles_amount": miles}]), stored_id)
        for miles in (1, 2)
    )
    with pytest.raises(DataError, match="fct_events has two events of one event_id"):
        sort_events([one, other])


def test_ids_that_are_looked_for_are_those_that_are_stored() -> None:
    events = [example(), {**example(), "user_id": "bob"}, {**example(), "source_id": None}]
    found = ids_of(batch_of(events))["event_id"].to_pylist()
    assert found == [id_of(event) for event in events[:2]]
    assert ids_of(event_batch({name: [] for name in IDENTIFIED_BATCH.names[:8]})).num_rows == 0


def kept_of(events: Sequence[Event]) -> list[Kept]:
    came = batch_of(events)
    ((_, encoded),) = encode_arrivals(sort_events([came]), came)
    records, names = decode_arrivals(encoded)
    found = decode_records(records)
    assert [names[each[1:3]].source_id for each in found] == ["a"] * len(found)
    assert {names[each[1:3]].position for each in found} <= {"0", "1", "2"}
    return found


def test_a_stream_looks_for_ids_among_events_of_the_horizon() -> None:
    first = kept_of([example()])
    step = advance_user("ann", None, first, list, identified=True)
    later = kept_of([{**example(), "event_time": us(START) + 10**9}])
    again = advance_user("ann", step.head, later, lambda: first, identified=True)
    assert (again.new, again.repeated, again.conflicting) == ([], 0, [(later[0], first[0])])
    same = advance_user("ann", step.head, first, lambda: first, identified=True)
    assert (same.new, same.repeated, same.conflicting) == ([], 1, [])


def test_rules_name_the_column_and_note_it() -> None:
    rules = read_rules(b'[columns]\nevent_id = ["id", "old.id"]\n', "r.toml")
    assert rules.identifies
    assert {"id", "old.id", "old"} <= {*rules.wanted}
    assert not {"id", "old.id", "old"} & rules.labels
    assert canonical(rules) == '{"columns": {"event_id": ["id", "old.id"]}}'
    assert rules_of({"columns": {"event_id": {"field": "id", "optional": True}}}).identifies


@pytest.mark.parametrize("said", [{"constant": "a"}, {"field": "id", "default": "a"}])
def test_an_id_is_never_one_for_several_rows(said: Mapping[str, str]) -> None:
    with pytest.raises(ShapeError, match="is no key of rules"):
        rules_of({"columns": {"event_id": said}})
