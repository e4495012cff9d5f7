"""Streams end in the tables of batch, whatever is late, repeated or out of order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.testing import test_stream
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipeline.errors import RunError
from pipeline.warehouse import open_warehouse
from pipeline.warehouse.changes import Change
from tests.support.runs import comparable
from tests.support.strategies import broken_rows, valid_rows
from tests.support.streams import (
    FLUSH_SECONDS,
    NOW_SECONDS,
    READINGS,
    Around,
    message,
    run_stream,
    stream_of,
)
from tests.support.tables import COLLIDING, NOW, Row, compute, csv_text, parse, row
from tests.support.thorough import examples, some, thorough
from transforms.kernels.spine import Spine
from transforms.marts import growth_metrics
from transforms.marts.registry import FINISH, RESULTS, TABLES
from transforms.state import forgotten_users
from transforms.vocabulary import EVENT_TYPES

Tables = dict[str, pa.Table]

# Clocks are wrong by up to so many seconds: by more, and events are in the future for them.
_STEP = 43_200


def streamed(
    folder: Path, *bundles: Sequence[Row], ahead_seconds: float = 0.0, **options: Any
) -> Tables:
    numbered = [
        [message(row, 100 * at + number) for number, row in enumerate(rows)]
        for at, rows in enumerate(bundles)
    ]
    stream = stream_of(numbered, ahead_seconds)
    return run_stream(stream, folder / "growth.duckdb", **options)


def batch(rows: Sequence[Row], active_types: Sequence[str] = EVENT_TYPES) -> Tables:
    tables = compute([part.events for part in parse(csv_text(rows))], active_types)
    return {name: rows.cast(TABLES[name].arrow_schema) for name, rows in tables.items()}


def unlike(stream: Tables, batch: Tables) -> list[str]:
    return [
        name
        for name in batch
        if not comparable(name, stream[name]).equals(comparable(name, batch[name]))
    ]


def sessions(tables: Tables) -> list[tuple[int, ...]]:
    """The events of each session by their minutes, in order."""
    rows = sorted(tables["fct_events"].to_pylist(), key=lambda row: row["event_time"])
    found: dict[str, list[int]] = {}
    for event in rows:
        found.setdefault(event["session_id"], []).append(
            event["event_time"].hour * 60 + event["event_time"].minute
        )
        assert event["event_sequence_in_session"] == len(found[event["session_id"]])
        assert event["is_session_start"] == (len(found[event["session_id"]]) == 1)
    return [tuple(minutes) for minutes in found.values()]


def at(minute: int, user: str = "ann", kind: str = "share", **others: str) -> Row:
    hours, minutes = divmod(minute, 60)
    return row(f"2025-12-31T{hours:02}:{minutes:02}:00Z", user, kind, **others)


def test_a_late_event_joins_two_sessions_and_a_recovered_balance_is_negative_no_more(
    tmp_path: Path,
) -> None:
    rows = [
        *(at(minute) for minute in (0, 40, 90)),
        at(1, "bob", "miles_redeemed", amount="5"),
        at(2, "cy", "miles_redeemed", amount="100"),
        at(20),
        at(3, "cy", "miles_earned", amount="100"),
    ]
    tables = streamed(tmp_path, rows[:5], rows[5:])
    assert sessions(tables) == [(0, 20, 40), (1,), (2, 3), (90,)]
    assert tables["users_with_negative_miles"]["user_id"].to_pylist() == ["bob"]
    assert unlike(tables, batch(rows)) == []


def test_an_earlier_first_event_moves_a_user_to_another_cohort_and_channel(tmp_path: Path) -> None:
    late = row("2025-11-30T10:00:00Z", source="paid", platform="Web")
    rows = [at(0), at(5, "bob"), late]
    tables = streamed(tmp_path, rows[:2], rows[2:])
    (ann,) = [user for user in tables["dim_users"].to_pylist() if user["user_id"] == "ann"]
    assert (ann["first_platform"], ann["first_utm_source"], ann["days_active"]) == (
        "Web",
        "paid",
        31,
    )
    assert unlike(tables, batch(rows)) == []


@thorough
def test_a_cohort_whose_last_user_came_earlier_is_no_more(tmp_path: Path) -> None:
    rows = [row("2025-11-30T10:00:00Z"), row("2025-12-01T10:00:00Z", "bob")]
    rows.append(row("2025-11-01T10:00:00Z", "bob"))
    tables = streamed(tmp_path, rows[:2], rows[2:])
    assert {str(month) for month in tables["retention_cohorts"]["cohort_month"].to_pylist()} == {
        "2025-11-01"
    }
    assert unlike(tables, batch(rows)) == []


def test_repeated_events_count_once_and_the_sum_holds(tmp_path: Path) -> None:
    rows = [at(0), at(0), at(1), at(0), row("never"), at(1)]
    tables = streamed(tmp_path, rows[:3], rows[3:])
    assert tables["fct_events"].num_rows == 2
    assert tables["dead_letter_events"]["error_type"].to_pylist() == ["bad_event_time"]
    assert unlike(tables, batch([at(0), at(1)])) == []


@thorough
@pytest.mark.parametrize(
    "bundles",
    some([[COLLIDING[:1], COLLIDING], [COLLIDING], [COLLIDING[:1], COLLIDING[1:], COLLIDING]], 1),
)
def test_events_that_were_made_to_collide_are_all_kept(
    tmp_path: Path, bundles: list[list[Row]]
) -> None:
    tables = streamed(tmp_path, *bundles)
    assert tables["fct_events"].num_rows == 2
    assert unlike(tables, batch(COLLIDING)) == []


def test_messages_of_forgotten_users_are_dropped_and_counted(tmp_path: Path) -> None:
    key = forgotten_users.new_key()
    rows = forgotten_users.rows(pa.array(["ann"]), key, NOW, "run")
    gone = forgotten_users.forgotten_of(rows["user_hash"], key)
    theirs = [row("2024-01-01T10:00:00Z", "ann"), row("never", " ann")]
    others = [row("2024-01-01T10:00:00Z", "bob"), row("2024-02-01T10:00:00Z", "bob")]
    stream = streamed(tmp_path, [*theirs, *others, theirs[0]], forgotten=gone)
    assert unlike(stream, batch(others)) == []
    assert stream["dead_letter_events"].num_rows == 0


def test_an_event_beyond_the_horizon_is_a_dead_letter(tmp_path: Path) -> None:
    old = row((NOW - timedelta(days=7, seconds=1)).isoformat())
    just = row((NOW - timedelta(days=7) + timedelta(seconds=1)).isoformat())
    tables = streamed(tmp_path, [at(0)], [old, just], late_horizon_days=7)
    (dead_letter,) = tables["dead_letter_events"].to_pylist()
    assert (dead_letter["error_type"], dead_letter["position"]) == ("too_late", "id 100")
    assert dead_letter["source"] == "projects/p/subscriptions/s"
    assert "--late_horizon_days" in dead_letter["error_message"]
    assert unlike(tables, batch([at(0), just])) == []


def test_an_event_from_ahead_is_known_until_it_is_too_late_for_it(tmp_path: Path) -> None:
    day = 86_400
    ahead = message(row((NOW + timedelta(days=5)).isoformat()))
    stream = (
        test_stream.TestStream()
        .advance_processing_time(NOW_SECONDS + day)
        .add_elements([ahead], event_timestamp=NOW_SECONDS)
        # Beyond the horizon and its slack, as counted from the event's arrival.
        .advance_watermark_to(NOW_SECONDS + 9 * day)
        .add_elements([ahead], event_timestamp=NOW_SECONDS + 9 * day)
        .advance_processing_time(FLUSH_SECONDS)
        .advance_watermark_to_infinity()
    )
    tables = run_stream(
        stream, tmp_path / "live.duckdb", late_horizon_days=7, max_future_minutes=10 * 1_440
    )
    assert tables["dim_users"]["share_events"].to_pylist() == [1]
    assert tables["growth_drivers"]["total_daily_events"].to_pylist() == [1]


@thorough
def test_an_absurd_amount_is_a_dead_letter_and_the_stream_goes_on(tmp_path: Path) -> None:
    absurd = [
        at(minute, user, "miles_earned", amount=str(amount))
        for user in ("ann", "bob")
        for minute, amount in enumerate([2**63 - 1, 2**62, 10**12 + 1])
    ]
    taken = [at(9, "ann", "miles_earned", amount=str(10**12)), at(10, "ann", amount=str(2**62))]
    tables = streamed(tmp_path, absurd, [*taken, at(11, "bob", "miles_redeemed", amount="7")])
    dead_letters = tables["dead_letter_events"].to_pylist()
    assert {dead_letter["error_type"] for dead_letter in dead_letters} == {"too_many_miles"}
    assert len(dead_letters) == 6
    assert json.loads(dead_letters[0]["payload"]) in absurd
    assert "is more than 1,000,000,000,000" in dead_letters[0]["error_message"]
    assert unlike(tables, batch([*taken, at(11, "bob", "miles_redeemed", amount="7")])) == []


def written(tables: Tables) -> dict[int, datetime]:
    """When each event's row was written, by its minute."""
    return {
        event["event_time"].hour * 60 + event["event_time"].minute: event["processed_at"]
        for event in tables["fct_events"].to_pylist()
    }


def test_rows_that_did_not_change_are_not_written_again(tmp_path: Path) -> None:
    rows = [at(10), at(30), at(50), at(200), at(40), at(60)]
    twice = written(streamed(tmp_path, rows[:4], rows[4:]))
    assert sorted(twice) == [10, 30, 40, 50, 60, 200]
    since = min(twice[40], twice[60])
    assert [minute for minute in (10, 30, 50, 200) if twice[minute] >= since] == [50]


@thorough
def test_rows_of_repeated_events_are_not_written_again(tmp_path: Path) -> None:
    rows = [at(10), at(30), at(50), at(200), at(40), at(60)]
    again = written(streamed(tmp_path, rows[:4], rows[4:], [*rows, at(0)]))
    assert again[200] < min(again[minute] for minute in (0, 10, 30, 40, 50, 60))


def test_a_failed_check_is_recorded_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(spine: Spine) -> pa.Table:
        rows = growth_metrics.rows(spine)
        place = rows.schema.get_field_index("new_users")
        return rows.set_column(place, "new_users", pc.add(rows["new_users"], 1))

    monkeypatch.setitem(FINISH, "growth_metrics", wrong)
    streamed(tmp_path, [at(0)], [at(5)], quality="warn")
    found = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb").read(RESULTS).to_pylist()
    assert {result["run_id"] for result in found} >= {"stream_1", "stream_2"}
    assert {result["status"] for result in found} == {"fail"}
    assert "growth_metrics" in {result["table_name"] for result in found}


@thorough
def test_checks_of_a_sound_stream_find_nothing(tmp_path: Path) -> None:
    rows = [at(0, "ann", "miles_redeemed", amount="10"), row("never"), at(40, "bob"), at(0, "bob")]
    streamed(tmp_path, rows[:2], rows[2:], active_types=["share"], quality="warn")
    assert open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb").read(RESULTS).num_rows == 0


class Forgetful(Around):
    """A warehouse whose every commit succeeds, and seems to fail the first time."""

    def commit(self, changes: Sequence[Change], run: str) -> None:
        self._home.commit(changes, run)
        failed = Path(f"{self._home.location}.{run}")
        if not failed.exists():
            failed.touch()
            raise RunError("can't tell what became of the commit")


def test_a_commit_that_is_tried_again_changes_nothing_more(tmp_path: Path) -> None:
    rows = [at(0), at(5), row("never"), row("ever")]
    tables = streamed(tmp_path, rows[:3], rows[3:], kind=Forgetful)
    assert tables["dead_letter_events"].num_rows == 2
    assert unlike(tables, batch(rows)) == []


def test_the_gap_is_thirty_minutes_to_the_microsecond(tmp_path: Path) -> None:
    minutes = {"ann": (0, 30), "dan": (0, 29, 59), "eve": (0, 30, 60)}
    rows = [at(minute, user) for user in minutes for minute in minutes[user]]
    rows += [row("2025-12-31T00:59:59.999999Z", "bob"), at(90, "bob")]
    rows += [row("2025-12-31T00:30:00.000001Z", "cy"), row("2025-12-31T01:00:00Z", "cy")]
    assert unlike(streamed(tmp_path, rows[::-1]), batch(rows)) == []


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Row]]:
    rows: list[Row] = draw(st.lists(valid_rows, min_size=1, max_size=15))
    repeated = draw(st.lists(st.sampled_from(rows), max_size=5))
    broken = draw(st.lists(broken_rows, max_size=2))
    waiting = draw(st.permutations([*rows, *repeated, *broken]))
    bundles = []
    while waiting:
        size = draw(st.integers(1, len(waiting)))
        bundles.append(waiting[:size])
        waiting = waiting[size:]
    return bundles


@settings(
    max_examples=examples(2, 10),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(bundles=arrivals(), readings=st.lists(st.integers(-_STEP, _STEP), min_size=1))
def test_any_order_repetition_lateness_and_clock_end_in_the_tables_of_batch(
    bundles: list[list[Row]], readings: list[int]
) -> None:
    rows = [row for bundle in bundles for row in bundle]
    READINGS.set(readings)
    with tempfile.TemporaryDirectory() as folder:
        tables = streamed(
            Path(folder), *bundles, clock=READINGS, ahead_seconds=2 * _STEP, quality="off"
        )
    parsed = parse(csv_text(rows))
    assert unlike(tables, batch(rows)) == []
    rejected = sum(len(part.rejections) for part in parsed)
    assert tables["dead_letter_events"].num_rows == rejected


@thorough
def test_a_clock_that_steps_back_keeps_no_row_from_the_tables(tmp_path: Path) -> None:
    rows = [at(0, "ann", "miles_redeemed", amount="5"), at(1, "bob"), at(40, "bob")]
    more = [at(5, "ann", "miles_earned", amount="5"), at(20, "bob"), at(7, "cy"), row("never")]

    class SetBack(Around):
        """A warehouse behind whose first commit the clock is set back, and later some more."""

        def commit(self, changes: Sequence[Change], run: str) -> None:
            self._home.commit(changes, run)
            READINGS.set([-20.0 * int(run.rsplit("_")[-2])])

    READINGS.set([0.0])
    tables = streamed(
        tmp_path, rows, more, clock=READINGS, kind=SetBack, ahead_seconds=FLUSH_SECONDS
    )
    assert unlike(tables, batch([*rows, *more])) == []
    assert tables["users_with_negative_miles"].num_rows == 0


def test_messages_of_csv_and_json_are_one_stream(tmp_path: Path) -> None:
    rows = [at(0), at(10)]
    record = csv_text(rows[1:]).splitlines()[1]
    messages = [message(rows[0]), PubsubMessage(record, {"content_type": "text/csv"}, "id 2")]
    tables = run_stream(stream_of([messages]), tmp_path / "growth.duckdb")
    assert unlike(tables, batch(rows)) == []
