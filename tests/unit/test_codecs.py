"""What a job or a warehouse keeps comes back from its bytes, those of earlier versions too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.strategies import row_lists
from tests.support.tables import codes, csv_text, parse, row
from tests.support.thorough import examples
from tests.unit.test_contributions import assert_equal
from transforms.data_error import DataError
from transforms.kernels.codecs.head_codec import decode_head, encode_head
from transforms.kernels.codecs.record_codec import (
    decode_records,
    encode_records,
    encode_users,
    sorted_events,
)
from transforms.kernels.codecs.single_timeline import decode_timeline, encode_timeline
from transforms.kernels.codecs.sum_codecs import (
    decode_counters,
    decode_run_counts,
    encode_counters,
    encode_run_counts,
)
from transforms.kernels.codecs.timeline_codec import decode_timelines, encode_timelines
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import COHORTS, DAILY, GRIDS, Counters
from transforms.kernels.run_counts import Example, RunCounts
from transforms.kernels.sessions import SortedEvents, sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.kernels.user_head import Place, UserHead, timelines_of_heads
from transforms.vocabulary import EVENT_TYPES

_SETTINGS = settings(
    max_examples=examples(30, 100), deadline=None, suppress_health_check=list(HealthCheck)
)
_FOLDER = Path(__file__).with_name("stored_state")
Rows = list[dict[str, str]]


def stored(name: str) -> bytes:
    return bytes.fromhex((_FOLDER / f"{name}.hex").read_text())


# What the files of stored_state hold: written by the version that their names tell.
STORED: Rows = [
    row(
        "2023-12-31T23:50:00.000001Z",
        "dé",
        "miles_earned",
        amount="250",
        platform="Android",
        source="tv",
        country="",
        category="flight",
    ),
    row("2024-01-01T00:10:00Z", "dé", "share", platform="Web", source="", country="SG"),
    row(
        "2024-03-05T12:00:00Z",
        "dé",
        "miles_redeemed",
        amount="1000",
        platform="Android",
        source="paid",
        country="us",
    ),
]
COUNTS = RunCounts(
    5, 3, 1, 1, {"bad_country": 1}, {"bad_country": Example("m", "p\n,é", "file", "7")}
)


def batch_of(rows: Rows) -> pa.RecordBatch:
    (parsed,) = parse(csv_text(rows))
    return parsed.events


def sorted_of(rows: Rows) -> SortedEvents:
    return sort_events([batch_of(rows)])


def lives_of(rows: Rows) -> Timelines:
    return timelines(sorted_of(rows))


def counters_of(rows: Rows) -> Counters:
    return contributions(lives_of(rows), codes(EVENT_TYPES))


# A head that counts one event more than its timeline.
HEAD = UserHead(
    written_at_us=1_735_732_800_000_000,
    first=(1_704_066_600_000_001, 2**64 - 1, 7),
    last=Place(1_709_640_000_000_000, 1_709_640_000_000_000, 1),
    floor=Place(1_704_066_600_000_001, 1_704_066_600_000_001, 3),
    due_us=1_710_000_000_000_000,
    timeline=stored("timeline-3"),
    facts=bytes(18),
    first_event=b"",
)


def test_stored_records_are_read() -> None:
    ((user_id, encoded),) = encode_users(sorted_of(STORED))
    assert (user_id, encoded) == ("dé", stored("records-1"))
    assert_same_events(sorted_events({"dé": decode_records(stored("records-1"))}), STORED)


def assert_same_events(found: SortedEvents, rows: Rows) -> None:
    expected = sorted_of(rows)
    found.table.validate(full=True)
    assert found.table.schema.equals(expected.table.schema)
    assert found.table.to_pylist() == expected.table.to_pylist()
    assert found.ids.hex().tolist() == expected.ids.hex().tolist()
    assert found.user_ids.equals(expected.user_ids)
    for name in ("user_digests", "user_of_event", "user_starts_mask", "time_us", "platform"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()


def test_a_stored_head_is_read() -> None:
    assert decode_head(stored("head-1")) == HEAD
    assert encode_head(HEAD) == stored("head-1")
    later = HEAD._replace(timeline=stored("timeline-4"))
    assert timelines_of_heads({"dé": later}).type_events.sum() == 4
    with pytest.raises(DataError, match="drained before, and started again"):
        timelines_of_heads({"dé": HEAD})


def test_a_stored_timeline_is_read() -> None:
    life = decode_timeline("dé", stored("timeline-4"))
    assert_equal(life, lives_of(STORED))
    assert life.date.astype("datetime64[D]").astype(str).tolist() == [
        "2023-12-31",
        "2024-01-01",
        "2024-03-05",
    ]
    assert life.type_events.tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]]
    assert life.platform_events.tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]
    assert (life.miles_earned.tolist(), life.miles_redeemed.tolist()) == (
        [250, 0, 0],
        [0, 0, 1000],
    )
    assert (life.first_utm_source.to_pylist(), life.first_country.to_pylist()) == (["tv"], [None])
    assert life.sessions.offsets.tolist() == [0, 2]
    spans = (life.sessions.start_us, life.sessions.end_us)
    assert [moments.astype("datetime64[us]").astype(str).tolist() for moments in spans] == [
        ["2023-12-31T23:50:00.000001", "2024-03-05T12:00:00.000000"],
        ["2024-01-01T00:10:00.000000", "2024-03-05T12:00:00.000000"],
    ]
    assert life.sessions.events.tolist() == [2, 1]
    assert encode_timeline(lives_of(STORED)) == stored("timeline-4")


@pytest.mark.parametrize("layout", [1, 2])
def test_a_timeline_with_the_ids_of_another_version_is_refused(layout: int) -> None:
    with pytest.raises(DataError, match=r"with ids that today's can't .*: run `rebuild`"):
        decode_timeline("dé", stored(f"timeline-{layout}"))
    both = pa.array([stored("timeline-4"), stored(f"timeline-{layout}")])
    with pytest.raises(DataError, match=r"by an earlier version, with ids"):
        decode_timelines(pa.array(["a", "b"]), both)


def test_a_timeline_without_sessions_is_refused() -> None:
    with pytest.raises(DataError, match=r"layout 3, .* without the user's sessions: run `rebuild`"):
        decode_timeline("dé", stored("timeline-3"))
    both = pa.array([stored("timeline-4"), stored("timeline-3")])
    with pytest.raises(DataError, match="layout 3, of an earlier version"):
        decode_timelines(pa.array(["a", "b"]), both)


def test_stored_counters_are_read() -> None:
    counters = decode_counters(stored("counters-3-sessions"))
    assert counters == counters_of(STORED)
    assert counters.daily.keys[:2].tolist() == [19_722, 19_723]
    assert counters.daily.dense(19_722, 19_723)["first_other"].tolist() == [1, 0]
    assert counters.daily.dense(19_722, 19_723)["miles_earned"].tolist() == [250, 0]
    assert counters.monthly.dense(647, 650)["active"].tolist() == [1, 1, 0, 1]
    assert counters.weekly.dense(2_817, 2_827)["active"].tolist() == [1, 1, *[0] * 8, 1]
    assert counters.session_days.dense(19_722, 19_723)["events"].tolist() == [2, 0]
    assert encode_counters(counters) == stored("counters-3-sessions")


@pytest.mark.parametrize("layout", ["0.1.0", "1", "2", "3"])
def test_counters_without_grids_that_the_others_do_not_tell_are_refused(layout: str) -> None:
    with pytest.raises(DataError, match=r"of an earlier version, without .*tables with rebuild"):
        decode_counters(stored(f"counters-{layout}"))


def test_counters_of_nobody_are_read_whoever_wrote_them() -> None:
    for nothing in (bytes(24), bytes([2, 42, 5, 1]) + bytes(24)):
        assert decode_counters(nothing) == Counters.empty()


def test_counters_that_were_appended_read_as_0(monkeypatch: pytest.MonkeyPatch) -> None:
    grids = {**GRIDS, "daily": (*DAILY, "later"), "cohorts": (*COHORTS, "more", "still more")}
    monkeypatch.setattr("transforms.kernels.codecs.sum_codecs.GRIDS", grids)
    counters = decode_counters(stored("counters-3-sessions"))
    known = counters_of(STORED)
    assert counters.daily.names == grids["daily"]
    assert np.array_equal(counters.daily.values[:, :-1], known.daily.values)
    assert not counters.daily.values[:, -1].any()
    assert np.array_equal(counters.cohorts.values[:, :1], known.cohorts.values)
    assert not counters.cohorts.values[:, 1:].any()


def test_counters_that_lack_an_appended_grid_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = dict(list(GRIDS.items())[:11])
    with monkeypatch.context() as earlier:
        earlier.setattr("transforms.kernels.codecs.sum_codecs.GRIDS", fewer)
        data = encode_counters(counters_of(STORED))
        nothing = encode_counters(Counters.empty())
    with pytest.raises(DataError, match="of an earlier version"):
        decode_counters(data)
    assert decode_counters(nothing) == Counters.empty()


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_stored_run_counts_are_read(version: str) -> None:
    assert decode_run_counts(stored(f"run_counts-{version}")) == COUNTS
    assert decode_run_counts(encode_run_counts(COUNTS)) == COUNTS


LATER: list[tuple[Callable[[bytes], Any], bytes]] = [
    (decode_records, b"\x09" + stored("records-1")[1:]),
    (decode_head, b"\x09" + stored("head-1")[1:]),
    (lambda data: decode_timeline("dé", data), b"\x09" + stored("timeline-4")[1:]),
    (
        lambda data: decode_timelines(pa.array(["a", "b"]), pa.array([stored("timeline-4"), data])),
        b"\x09" + stored("timeline-4")[1:],
    ),
    (decode_counters, b"\x09" + stored("counters-3-sessions")[1:]),
]


@pytest.mark.parametrize(("decode", "data"), LATER)
def test_what_a_later_version_wrote_is_refused(decode: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(DataError, match=r"layout 9, and .* up to \d: a later version wrote it"):
        decode(data)


def test_counts_of_a_later_version_are_refused() -> None:
    with pytest.raises(DataError, match=r"'erased'.*a later version wrote them"):
        decode_run_counts(b'{"erased": 3,' + encode_run_counts(COUNTS)[1:])


def test_counters_of_a_later_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {**GRIDS, "daily": DAILY[:-1]}
    monkeypatch.setattr("transforms.kernels.codecs.sum_codecs.GRIDS", fewer)
    with pytest.raises(DataError, match=rf"holds counter {len(DAILY)}, and .* knows"):
        decode_counters(stored("counters-3-sessions"))


def test_days_with_counters_of_a_later_version_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = "transforms.kernels.codecs.timeline_layout.DAY_COUNTERS"
    monkeypatch.setattr(layout, ("miles_earned", "miles_redeemed"))
    with pytest.raises(DataError, match=r"holds counter 10, and .* knows 2: a later version"):
        decode_timeline("dé", stored("timeline-4"))
    with pytest.raises(DataError, match=r"holds counter 10, and .* knows 2: a later version"):
        decode_timelines(pa.array(["dé"]), pa.array([stored("timeline-4")]))


DAMAGED: list[tuple[Callable[[bytes], Any], str]] = [
    (lambda data: decode_timeline("dé", data), "timeline-4"),
    (lambda data: decode_timelines(pa.array(["dé"]), pa.array([data])), "timeline-4"),
    (decode_records, "records-1"),
    (decode_head, "head-1"),
    (decode_counters, "counters-3-sessions"),
]


@pytest.mark.parametrize(("decode", "name"), DAMAGED)
@pytest.mark.parametrize("kept", [0.0, 0.04, 0.3, 0.9, -2])
def test_what_is_cut_off_is_refused(decode: Callable[[bytes], Any], name: str, kept: float) -> None:
    data = stored(name)
    cut = data[:-2] if kept == -2 else data[: int(len(data) * kept)]
    with pytest.raises(DataError, match="bytes that can't be read"):
        decode(cut)


@_SETTINGS
@given(rows=row_lists)
def test_events_survive(rows: Rows) -> None:
    by_user = {
        user_id: decode_records(encoded) for user_id, encoded in encode_users(sorted_of(rows))
    }
    assert_same_events(sorted_events(by_user), rows)
    for records in by_user.values():
        assert decode_records(encode_records(record.data for record in records)) == records


@_SETTINGS
@given(rows=row_lists, data=st.data())
def test_timelines_survive_alone_and_together(rows: Rows, data: st.DataObject) -> None:
    lives = lives_of(rows)
    encoded = encode_timelines(lives)
    encoded.validate(full=True)
    decoded = decode_timelines(lives.user_id, encoded)
    for text in (decoded.first_utm_source, decoded.first_country):
        text.validate(full=True)
    assert_equal(decoded, lives)
    alone = [lives.take(np.array([user])) for user in range(len(lives))]
    assert [encode_timeline(life) for life in alone] == encoded.to_pylist()
    for life, value in zip(alone, encoded.to_pylist(), strict=True):
        assert_equal(decode_timeline(life.user_id[0].as_py(), value), life)
    start = data.draw(st.integers(0, len(lives)))
    stop = data.draw(st.integers(start, len(lives)))
    part = decode_timelines(lives.user_id[start:stop], encoded[start:stop])
    assert_equal(part, lives.take(np.arange(start, stop)))
    assert_equal(lives.between(start, stop), part)


@_SETTINGS
@given(rows=row_lists)
def test_counters_survive(rows: Rows) -> None:
    counters = counters_of(rows)
    assert decode_counters(encode_counters(counters)) == counters
    assert (counters - counters) == Counters.empty()
    assert decode_counters(encode_counters(Counters.empty())) == Counters.empty()


def test_the_largest_values_survive() -> None:
    rows = [
        row("2024-01-01T00:00:00Z", "é" * 100_000, category="x" * 9),
        row("2000-01-01T00:00:00Z", "u", "miles_earned", amount=str(10**12), country=""),
        row("2024-01-01T00:00:00Z", "u", "miles_redeemed", amount="0", source=""),
    ]
    encoded = encode_users(sorted_of(rows))
    assert_same_events(sorted_events({user: decode_records(data) for user, data in encoded}), rows)
    lives = lives_of(rows)
    lives.miles_earned[lives.miles_earned > 0] = 2**63 - 1
    lives = Timelines(**{**vars(lives), "first_utm_source": pa.array(["ü" * 100_000, None])})
    assert_equal(decode_timelines(lives.user_id, encode_timelines(lives)), lives)
    for user in range(2):
        life = lives.take(np.array([user]))
        name = life.user_id[0].as_py()
        assert_equal(decode_timeline(name, encode_timeline(life)), life)


def test_nobody_has_no_bytes() -> None:
    nobody = Timelines.none()
    assert len(encode_timelines(nobody)) == 0
    assert_equal(decode_timelines(nobody.user_id, encode_timelines(nobody)), nobody)
    assert list(encode_users(sort_events([]))) == []


def test_users_of_several_chunks_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.kernels.codecs.timeline_codec._CHUNK", 7)
    start = datetime(2024, 1, 1)
    rows = [
        row((start + timedelta(days=n % 13)).isoformat(), f"u{n % 50}", source="paid" * (n % 3))
        for n in range(400)
    ]
    lives = lives_of(rows)
    assert_equal(decode_timelines(lives.user_id, encode_timelines(lives)), lives)


@pytest.mark.parametrize(("days", "most"), [(1, 100), (100, 3_200), (1_000, 32_000)])
def test_a_day_and_its_three_sessions_take_few_bytes(days: int, most: int) -> None:
    start = datetime(2020, 1, 1)
    rows = [
        row((start + timedelta(days=day, hours=hour)).isoformat(), "ann", kind)
        for day in range(days)
        for hour, kind in enumerate(["miles_earned", "share", "like"])
    ]
    assert len(encode_timeline(lives_of(rows))) <= most
