"""The tables, by the kernels alone, against the oracle, at every edge of the rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.oracle import TABLES
from tests.support.strategies import broken_rows, row_lists
from tests.support.tables import NOW, Row, compute, csv_text, differences, oracle_tables, parse, row
from tests.support.thorough import examples, some
from transforms.kernels.records import MAX_RECORD_BYTES, Rejections
from transforms.marts import dead_letter_events
from transforms.vocabulary import EVENT_TYPES


def _instants(start: str, *minutes: float) -> list[dict[str, str]]:
    first = datetime.fromisoformat(start)
    return [row((first + timedelta(minutes=after)).isoformat()) for after in minutes]


def _daily(user: str, first: str, *days: int) -> list[dict[str, str]]:
    start = datetime.fromisoformat(first)
    return [row((start + timedelta(days=day)).isoformat(), user) for day in days]


EDGES: dict[str, list[dict[str, str]]] = {
    "a single event": [row("2024-02-29T23:59:59.999999Z")],
    "ties at one microsecond": [
        row("2024-05-05T05:05:05Z", kind=kind, platform=platform, source=source)
        for kind in EVENT_TYPES
        for platform, source in (("Web", "paid"), ("iOS", ""), ("Android", "social"))
    ],
    "exactly thirty minutes": _instants("2024-05-05T10:00:00", 0, 30, 59.9999, 60, 90),
    "a microsecond less": [
        row("2024-05-05T10:00:00.000000Z"),
        row("2024-05-05T10:29:59.999999Z"),
        row("2024-05-05T10:59:59.999999Z"),
    ],
    "a session across midnight, month and year": _instants("2023-12-31T23:40:00", 0, 10, 25, 40),
    "silent days and months": [
        *_daily("ann", "2024-01-01T08:00:00", 0, 1, 5),
        *_daily("bob", "2024-01-02T08:00:00", 0, 130),
        *_daily("cy", "2024-06-30T08:00:00", 0, 1),
    ],
    "month 1 and month 25": _daily("ann", "2023-01-15T00:00:00", 0, 731),
    "every dormancy": _daily("ann", "2024-01-01T00:00:00", 0, 1, 3, 10, 18, 48, 79, 169, 260),
    "every stage of life": [
        *_daily("ann", "2024-01-01T00:00:00", 0, 7, 8, 30, 31, 90, 91),
        *_daily("bob", "2024-01-08T00:00:00", 0, 1, 2, 3),
    ],
    "windows of 7, 28 and 30 days": [
        *_daily("ann", "2024-02-01T00:00:00", 0, 6, 13, 20, 48, 78),
        *_daily("bob", "2024-02-02T00:00:00", 0, 7, 35, 63, 93),
    ],
    "leap day": _daily("ann", "2024-02-28T23:00:00", 0, 1, 2),
    "user ids of any Unicode": [
        row("2024-01-01T00:00:00Z", user)
        for user in (
            "ß",
            "SS",
            "e\u0301",
            "é",
            "用户",
            "👩‍👩‍👧",
            "\u200bz",
            "a b",
            "a'\"b",
            "\u0130",
        )
    ],
    "balances that go negative and recover": [
        row("2024-01-01T00:00:00Z", "ann", "miles_redeemed", amount="500"),
        row("2024-01-02T00:00:00Z", "ann", "miles_earned", amount="499"),
        row("2024-01-01T00:00:00Z", "bob", "miles_redeemed", amount="500"),
        row("2024-01-03T00:00:00Z", "bob", "miles_earned", amount="500"),
        row("2024-01-03T00:00:00Z", "cy", "miles_earned", amount="9007199254740993"),
        row("2024-01-04T00:00:00Z", "cy", "miles_redeemed", amount="9223372036854774807"),
    ],
}


def _check(tmp_path: Path, rows: list[dict[str, str]], active: tuple[str, ...]) -> None:
    text = csv_text(rows)
    path = tmp_path / "events.csv"
    path.write_bytes(text)
    ours = compute([parsed.events for parsed in parse(text)], active)
    with oracle_tables(path, ours, active) as theirs:
        assert differences(theirs, ours) == {}


@pytest.mark.parametrize("active", [EVENT_TYPES, ("like", "miles_earned")])
@pytest.mark.parametrize("edge", [*some(list(EDGES), 0), "all at once"])
def test_edges_agree_with_the_oracle(tmp_path: Path, edge: str, active: tuple[str, ...]) -> None:
    """All at once each is of users of its own: the oracle takes 0.4 s, however few there are."""
    together = [
        {**item, "user_id": f"{item['user_id']} {number}"}
        for number, rows in enumerate(EDGES.values())
        for item in rows
    ]
    _check(tmp_path, EDGES.get(edge, together), active)


@settings(max_examples=examples(3, 60), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=row_lists, active=st.sets(st.sampled_from(EVENT_TYPES), min_size=1))
def test_any_events_agree_with_the_oracle(
    tmp_path: Path, rows: list[dict[str, str]], active: set[str]
) -> None:
    _check(tmp_path, rows, tuple(name for name in EVENT_TYPES if name in active))


@settings(max_examples=examples(20, 40), deadline=None)
@given(rows=st.lists(st.one_of(row_lists.map(lambda rows: rows[0]), broken_rows), max_size=30))
def test_every_row_is_an_event_a_duplicate_or_a_rejection(rows: list[Row]) -> None:
    parsed = parse(csv_text(rows))
    events = compute([part.events for part in parsed])["fct_events"].num_rows
    read = sum(part.events.num_rows for part in parsed)
    rejected = sum(len(part.rejections) for part in parsed)
    assert read + rejected == len(rows)
    assert events <= read


@settings(max_examples=examples(25, 150), deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b"a"])).map(
                b"".join
            ),
            row_lists.map(lambda rows: csv_text(rows[:1]).splitlines()[1]),
        ),
        max_size=12,
    ),
    block_bytes=st.sampled_from([1, 7, 64, 1 << 20]),
)
def test_hostile_bytes_become_events_or_dead_letters(lines: list[bytes], block_bytes: int) -> None:
    parsed = parse(csv_text([]) + b"\n".join(lines), block_bytes)
    rejections = Rejections.total([part.rejections for part in parsed])
    dead_letters = dead_letter_events.rows(rejections, "test.csv", NOW, "1")
    assert (
        dead_letters.num_rows
        == len(set(dead_letters["dead_letter_id"].to_pylist()))
        == len(rejections)
    )
    compute([part.events for part in parsed])


def test_sessions_split_at_exactly_thirty_minutes() -> None:
    rows = compute([part.events for part in parse(csv_text(EDGES["exactly thirty minutes"]))])
    starts = rows["fct_events"]["is_session_start"].to_pylist()
    assert starts == [1, 1, 0, 0, 1]


def test_a_session_goes_on_one_microsecond_before() -> None:
    rows = compute([part.events for part in parse(csv_text(EDGES["a microsecond less"]))])
    fct = rows["fct_events"].to_pylist()
    assert [event["event_sequence_in_session"] for event in fct] == [1, 2, 1]
    assert fct[0]["session_id"] == fct[1]["session_id"] != fct[2]["session_id"]


def test_without_an_event_the_tables_are_there_and_empty() -> None:
    tables = compute([])
    assert {name: table.num_rows for name, table in tables.items()} == dict.fromkeys(tables, 0)
    assert {*tables} == {*TABLES}


def test_a_user_with_a_million_events_is_one_user() -> None:
    instants = np.datetime64("2024-01-01T00:00:00") + np.arange(1_000_000) * np.timedelta64(7, "s")
    lines = [f"{instant}Z,ann,like,,,Web,,\n" for instant in np.datetime_as_string(instants)]
    text = csv_text([]) + "".join(lines).encode()
    tables = compute([part.events for part in parse(text, 16 << 20)])
    assert tables["dim_users"]["like_events"].to_pylist() == [1_000_000]
    fct = tables["fct_events"]
    assert pa.compute.sum(fct["is_session_start"]).as_py() == 1
    assert pa.compute.max(fct["event_sequence_in_session"]).as_py() == 1_000_000


@pytest.mark.parametrize("letter", ["x", "\u20ac"])
@pytest.mark.parametrize("quoted", ["", '"'])
def test_a_record_over_the_limit_is_a_dead_letter_cut_to_it(letter: str, quoted: str) -> None:
    size = MAX_RECORD_BYTES // len(letter.encode()) + 1
    long = row("2024-01-01T00:00:00Z", user=f"{letter * size}{quoted}")
    (parsed,) = parse(csv_text([long, row("2024-01-01T00:00:00Z")]), 1 << 26)
    assert parsed.events.num_rows == 1
    (rejection,) = parsed.rejections
    assert rejection.error_type == "oversized_record"
    dead_letters = dead_letter_events.rows(parsed.rejections, "test.csv", NOW, "1").to_pylist()
    assert rejection.size is not None
    assert rejection.size > MAX_RECORD_BYTES
    payload = dead_letters[0]["payload"]
    assert MAX_RECORD_BYTES - 3 <= len(payload.encode()) <= MAX_RECORD_BYTES
    assert rejection.payload.startswith(payload.encode())
    assert dead_letters[0]["payload_encoding"] == "utf-8"
    assert f"it has {rejection.size:,} bytes" in dead_letters[0]["error_message"]
    assert dead_letters[0]["user_id"] is None


def test_a_record_of_the_limit_is_an_event_and_a_byte_more_is_not() -> None:
    spare = MAX_RECORD_BYTES - len(csv_text([row("2024-01-01T00:00:00Z", user="")]).split()[1])
    for extra, events in ((0, 1), (1, 0)):
        text = csv_text([row("2024-01-01T00:00:00Z", user="u" * (spare + extra))])
        (parsed,) = parse(text, 1 << 26)
        assert (parsed.events.num_rows, len(parsed.rejections)) == (events, 1 - events)
