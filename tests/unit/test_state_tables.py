"""State tables hold what they are given, and say it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.state import by_plain_loop, told
from tests.support.strategies import row_lists
from tests.support.tables import codes, compute, csv_text, parse
from tests.support.tables import row as event
from tests.support.thorough import examples
from tests.unit.test_contributions import assert_equal
from transforms.data_error import DataError
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import MONTHLY, Counters, Grid
from transforms.kernels.run_counts import Example, RunCounts
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import Timelines, timelines
from transforms.state import (
    growth_counters,
    loaded_files,
    pipeline_runs,
    user_timelines,
    warehouse_settings,
)
from transforms.state.loaded_files import LoadedFile
from transforms.state.pipeline_runs import Run, RunState
from transforms.vocabulary import EVENT_TYPES

_SETTINGS = settings(
    max_examples=examples(20, 60), deadline=None, suppress_health_check=list(HealthCheck)
)
Rows = list[dict[str, str]]
NOON = datetime(2026, 1, 1, 12)
WRITTEN_AT = pa.scalar(NOON, pa.timestamp("us"))


def lives_of(rows: Rows) -> Timelines:
    return timelines(sort_events([part.events for part in parse(csv_text(rows))]))


def sums_of(rows: Rows) -> Counters:
    return contributions(lives_of(rows), codes(EVENT_TYPES))


def shuffled(rows: pa.Table, random: np.random.Generator) -> pa.Table:
    return rows.take(pa.array(random.permutation(rows.num_rows)))


@_SETTINGS
@given(rows=row_lists)
def test_timelines_in_rows_are_those_of_a_plain_loop_over_events(rows: Rows) -> None:
    stored = user_timelines.rows(lives_of(rows), WRITTEN_AT)
    assert stored.schema.equals(user_timelines.TABLE.arrow_schema)
    assert stored["user_id"].to_pylist() == sorted(stored["user_id"].to_pylist())
    events = compute([part.events for part in parse(csv_text(rows))])["fct_events"].to_pylist()
    assert told(user_timelines.timelines_of(stored)) == by_plain_loop(events)


@_SETTINGS
@given(rows=row_lists, seed=st.integers(0, 2**32))
def test_timelines_come_back_in_the_order_of_any_rows(rows: Rows, seed: int) -> None:
    lives = lives_of(rows)
    order = np.random.default_rng(seed).permutation(len(lives))
    stored = user_timelines.rows(lives, WRITTEN_AT).take(pa.array(order))
    assert_equal(user_timelines.timelines_of(stored), lives.take(order))


@_SETTINGS
@given(rows=row_lists, seed=st.integers(0, 2**32))
def test_counters_come_back_from_rows_in_any_order(rows: Rows, seed: int) -> None:
    sums = sums_of(rows)
    stored = growth_counters.rows(sums, WRITTEN_AT)
    assert 0 not in stored["value"].to_pylist()
    random = np.random.default_rng(seed)
    assert growth_counters.counters_of(shuffled(stored, random)) == sums
    assert growth_counters.counters_of(shuffled(as_read(stored), random)) == sums


def as_read(rows: pa.Table) -> pa.Table:
    """Rows as a warehouse gives them: strings are no dictionaries."""
    return rows.cast(growth_counters.TABLE.arrow_schema)


@_SETTINGS
@given(before=row_lists, after=row_lists)
def test_changes_of_counters_turn_one_sum_into_the_other(before: Rows, after: Rows) -> None:
    old, new = sums_of(before), sums_of(after)
    found = growth_counters.changes(old, new, WRITTEN_AT)
    held = {_key(row): row["value"] for row in growth_counters.rows(old, WRITTEN_AT).to_pylist()}
    for row in found.deletes.to_pylist():
        del held[_key(row)]
    for row in found.rows.to_pylist():
        assert held.get(_key(row)) != row["value"], "a row that does not differ is not staged"
        held[_key(row)] = row["value"]
    expected = growth_counters.rows(new, WRITTEN_AT).to_pylist()
    assert held == {_key(row): row["value"] for row in expected}
    assert found.deletes.column_names == list(growth_counters.TABLE.deletes.column_names)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in growth_counters.TABLE.primary_key)


def test_a_counter_that_is_not_stored_is_0() -> None:
    one = Grid(MONTHLY, np.array([640]), np.array([[3, 0, 0, 0, 1]]))
    sums = replace(Counters.empty(), monthly=one)
    stored = growth_counters.rows(sums, WRITTEN_AT)
    assert stored["counter"].to_pylist() == ["active", "churned"]
    assert growth_counters.counters_of(stored) == sums


def test_sums_of_an_earlier_version_are_refused_with_the_way_out() -> None:
    """0.2.0 had no weeks, segments, curves: what is not there would be taken for 0."""
    events = [part.events for part in parse(csv_text([event("2024-01-01T00:00:00Z")]))]
    sums = contributions(timelines(sort_events(events)), codes(EVENT_TYPES))
    stored = growth_counters.rows(sums, WRITTEN_AT)
    assert growth_counters.counters_of(stored) == sums
    for grid in ("weekly", "segment_months"):
        earlier = stored.filter(pc.not_equal(stored["grid"].cast(pa.string()), grid))
        with pytest.raises(DataError, match=f"lacks the sums of {grid}: .* pipeline rebuild"):
            growth_counters.counters_of(earlier)


def test_sums_without_sessions_are_refused_where_nobody_is_active_too() -> None:
    (part,) = parse(csv_text([event("2024-01-01T00:00:00Z", kind="share")]))
    sums = contributions(timelines(sort_events([part.events])), codes(["like"]))
    stored = growth_counters.rows(sums, WRITTEN_AT)
    assert growth_counters.counters_of(stored) == sums
    earlier = stored.filter(pc.not_equal(stored["grid"].cast(pa.string()), "session_days"))
    with pytest.raises(DataError, match=r"lacks the sums of session_days: .* pipeline rebuild"):
        growth_counters.counters_of(earlier)


@pytest.mark.parametrize(("column", "value"), [("counter", "users_on_mars"), ("grid", "hourly")])
def test_a_counter_of_a_later_version_is_refused(column: str, value: str) -> None:
    row = {"grid": "daily", "key": 7, "counter": "active", "value": 1, "written_at": NOON}
    stored = pa.Table.from_pylist(
        [row, {**row, column: value}], schema=growth_counters.TABLE.arrow_schema
    )
    with pytest.raises(DataError, match=rf"{value}.*a later version wrote it"):
        growth_counters.counters_of(stored)


def test_a_timeline_of_a_later_version_is_refused() -> None:
    rows = [{"user_id": "ann", "timeline": b"\x63" + bytes(80), "written_at": NOON}]
    stored = pa.Table.from_pylist(rows, schema=user_timelines.TABLE.arrow_schema)
    with pytest.raises(DataError, match=r"a later version wrote it"):
        user_timelines.timelines_of(stored)


def test_no_row_is_no_user_and_no_counter() -> None:
    assert len(user_timelines.timelines_of(user_timelines.rows(Timelines.none(), WRITTEN_AT))) == 0
    empty = growth_counters.rows(Counters.empty(), WRITTEN_AT)
    assert growth_counters.counters_of(empty) == Counters.empty()
    assert loaded_files.rows([], "run", NOON).num_rows == 0


def test_files_and_settings_come_back() -> None:
    files = [LoadedFile("/a.csv", 12, "1 ab", 3, 1), LoadedFile("gs://b/c.csv", 5, "99", 0, 0)]
    rows = loaded_files.rows(files, "run_1", NOON)
    assert set(rows["run_id"].to_pylist()) == {"run_1"}
    assert loaded_files.files_of(rows) == {file.path: file for file in files}
    noted = {warehouse_settings.ACTIVE_EVENT_TYPES: "share,like", "other": "é"}
    assert warehouse_settings.settings_of(warehouse_settings.rows(noted, NOON)) == noted


def test_runs_come_back_without_a_quotation_of_the_source() -> None:
    counts = RunCounts(
        9, 6, 1, 0, {"bad_country": 2}, {"bad_country": Example("why", "secret", "f.csv", "7")}, 1
    )
    run = Run("run_1", "batch", "0.2.0", NOON, {"input": ["événements/*.csv"], "quality": "off"})
    later = NOON + timedelta(minutes=2)
    states = [
        RunState(run, "done", later, counts),
        RunState(run, "failed", later, None, "no room"),
        RunState(run, "running", later, counts),
    ]
    rows = pa.concat_tables([pipeline_runs.row(state) for state in states])
    assert "secret" not in str(rows.to_pylist())
    assert rows["ended_at"].to_pylist() == [later, later, None]
    assert "événements" in rows["settings"][0].as_py()
    done, failed, running = pipeline_runs.runs_of(rows)
    assert done.counts is not None and done.counts.dead_letters == {"bad_country": 2}
    assert (done.counts.input_rows, done.counts.corrected) == (9, 1)
    assert (failed.message, failed.counts, failed.run) == ("no room", None, run)
    assert running.ended_at is None
    assert pc.all(pc.equal(rows["started_at"], WRITTEN_AT)).as_py()
