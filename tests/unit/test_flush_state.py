"""What flushes gather and come to, and the bytes that running jobs have kept of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sinks.flush_state import (
    Gathered,
    Held,
    Part,
    SealedFlush,
    Sealer,
    Totals,
    decode_part,
    encode_part,
    flush_run,
)
from pipeline.sinks.staged_steps import StagedStep
from pipeline.warehouse.changes import StagedFile
from tests.support.repository import ROOT
from tests.support.tables import codes, csv_text, parse, row
from transforms.figure_settings import FigureSettings
from transforms.kernels.codecs.sum_codecs import encode_counters, encode_run_counts
from transforms.kernels.contributions import contributions
from transforms.kernels.counters import Counters
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines
from transforms.mart_changes import finish
from transforms.marts import growth_metrics
from transforms.marts.registry import ALL_TABLES, RESULTS, all_checks
from transforms.quality.check_counts import CheckCount, CheckCounts
from transforms.state import growth_counters, pipeline_runs, warehouse_settings
from transforms.state.pipeline_runs import Run
from transforms.vocabulary import EVENT_TYPES

COUNTERS = growth_counters.TABLE
NOON = datetime(2025, 1, 1, 12)
RUN = Run("stream_1", "stream", "0.2.0", NOON, {"active_event_types": "share,like"})
US = 1_735_732_800_000_000  # 2025-01-01 12:00.
WRONG_ID = "fct_events.event_id.not_null"


def counters_of(*dates: str) -> Counters:
    """The counters of one user who was active on these dates."""
    rows = [row(f"{date}T10:00:00", "ann", "share") for date in dates]
    return contributions(
        timelines(sort_events([part.events for part in parse(csv_text(rows))])), codes(EVENT_TYPES)
    )


def file(path: str, table: str = "fct_events", rows: int = 1) -> StagedFile:
    return StagedFile(table, path, rows, 100, [20_089], [1, 2], 7)


@pytest.fixture(scope="module")
def sealer() -> Iterator[Sealer]:
    found = Sealer(RUN, finish, all_checks(FigureSettings()), list(ALL_TABLES))
    yield found
    found.close()


PARTS: dict[int, Part] = {
    0: StagedStep("users 3", 1, [file("a.parquet")]),
    1: counters_of("2025-01-01"),
    2: RunCounts(input_rows=3, events=2, duplicates=1),
    3: CheckCounts({WRONG_ID: CheckCount(1, 3, ('{"event_id": "a"}',))}),
}


@pytest.mark.parametrize("number", PARTS)
def test_parts_come_back_from_a_jobs_state(number: int) -> None:
    part = PARTS[number]
    stored = encode_part(part)
    assert stored[0] == number
    found = decode_part(stored)
    assert type(found) is type(part)
    assert encode_part(found) == stored


def test_what_running_jobs_have_kept_is_read() -> None:
    """Bytes as running jobs have them; the numbers of parts as well."""
    staged = b'["users 3", 1, [["fct_events", "a.parquet", 1, 100, [20089], [1, 2], 7]]]'
    assert decode_part((0, staged)) == PARTS[0]
    assert encode_part(PARTS[0]) == (0, staged)
    counters = counters_of("2025-01-01")
    assert decode_part((1, encode_counters(counters))) == counters
    counts = RunCounts(input_rows=3, events=3)
    assert decode_part((2, encode_run_counts(counts))) == counts
    counts = RunCounts(input_rows=2, events=2)
    sealed = (
        b'[[["t", "b", 1, 2, []]], {"flush": 3, "counts": {"input_rows": 2, "events": 2, '
        b'"duplicates": 0, "ignored_amounts": 0, "dead_letters": {}, "examples": {}, "mended": 0, '
        b'"mends_failed": 0}, "checks": {"evaluated": 1, "failed": []}}]'
    )
    files = [StagedFile("t", "b", 1, 2, [])]
    assert SealedFlush.from_bytes(sealed) == SealedFlush(3, files, counts, 2, 1, ())


def test_a_flush_sums_what_has_come_onto_what_was_there(sealer: Sealer) -> None:
    first = sealer.seal(Totals(), Gathered.of([counters_of("2025-01-01"), PARTS[2]]), US)
    one, two = (StagedStep("users 1", at, [file(name)]) for at, name in ((1, "b"), (2, "a")))
    more = RunCounts(input_rows=5, events=1, dead_letters={"bad": 4})
    later = sealer.seal(first.totals, Gathered.of([one, more, counters_of("2025-01-02"), two]), US)
    assert (first.totals.flushes, later.totals.flushes) == (1, 2)
    assert later.totals.counters == Counters.total(
        [counters_of("2025-01-01"), counters_of("2025-01-02")]
    )
    assert later.totals.counts == RunCounts(8, 3, 1, dead_letters={"bad": 4})
    mart = file("m.parquet", "growth_metrics")
    sealed = later.sealed([mart])
    assert sealed.files == [file("a"), file("b"), mart]
    assert sealed.counts == later.totals.counts
    assert (sealed.number, sealed.in_marts) == (2, 2)
    assert SealedFlush.from_bytes(sealed.to_bytes()) == sealed


def test_a_flush_stages_the_marts_that_change(sealer: Sealer) -> None:
    first = sealer.seal(Totals(), Gathered.of([counters_of("2025-01-01")]), US)
    growth = first.rows["growth_metrics"]
    assert growth["event_date"].to_pylist() == [date(2025, 1, 1)]
    written_at = growth_metrics.TABLE.written_at
    assert growth[written_at].to_pylist() == [datetime(2025, 1, 1, 12)]
    # Nothing but how far the run is changes where no counters come.
    later = sealer.seal(first.totals, Gathered.of([PARTS[0]]), US + 1).rows
    assert {name for name, rows in later.items() if rows.num_rows} == {"pipeline_runs"}


def test_a_flush_stages_the_state_with_the_marts(sealer: Sealer) -> None:
    one = counters_of("2025-01-01")
    two = counters_of("2025-01-01", "2025-01-02") - one
    first = sealer.seal(Totals(), Gathered.of([one, PARTS[2]]), US)
    later = sealer.seal(first.totals, Gathered.of([two]), US + 1)
    settings = warehouse_settings.settings_of(first.rows["warehouse_settings"])
    assert settings == {"active_event_types": "share,like"}
    assert "warehouse_settings" not in later.rows
    held = {key_of(found): found["value"] for found in first.rows["growth_counters"].to_pylist()}
    held |= {key_of(found): found["value"] for found in later.rows["growth_counters"].to_pylist()}
    # Who is active again on the second date has not left on it.
    for gone in later.rows[COUNTERS.deletes.name].to_pylist():
        del held[key_of(gone)]
    summed = growth_counters.rows(Counters.total([one, two]), pa.scalar(US, pa.timestamp("us")))
    assert held == {key_of(found): found["value"] for found in summed.to_pylist()}
    (state,) = pipeline_runs.runs_of(later.rows["pipeline_runs"])
    assert (state.run, state.outcome, state.ended_at) == (RUN, "running", None)
    assert state.counts == RunCounts(input_rows=3, events=2, duplicates=1)


def key_of(found: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(found[name] for name in COUNTERS.primary_key)


def test_a_failed_check_is_reported_and_staged_under_the_flush(sealer: Sealer) -> None:
    flush = sealer.seal(Totals(flushes=6), Gathered.of([PARTS[3]]), US)
    (result,) = flush.rows[RESULTS.name].to_pylist()
    assert (result["check_id"], result["run_id"]) == (WRONG_ID, flush_run("stream_1", 7))
    assert (result["failing_rows"], result["checked_at"]) == (1, datetime(2025, 1, 1, 12))
    sealed = flush.sealed([])
    assert [failed.check_id for failed in sealed.failed] == [WRONG_ID]
    assert sealed.evaluated == len(flush.results) > 1
    assert SealedFlush.from_bytes(sealed.to_bytes()) == sealed


def test_without_checks_none_is_evaluated() -> None:
    sealer = Sealer(RUN, finish, (), list(ALL_TABLES))
    flush = sealer.seal(Totals(), Gathered.of([PARTS[3], counters_of("2025-01-01")]), US)
    sealer.close()
    assert (flush.sealed([]).evaluated, flush.sealed([]).failed) == (0, ())


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=12))
def test_flushes_lose_nothing_however_they_are_cut(steps: list[tuple[int, int]]) -> None:
    """Against a plain sum over all that came: files once each, counts in all."""
    totals, kept, waiting = Totals(), [], Gathered()
    for number, (kind, rows) in enumerate(steps):
        if kind == 2:
            totals = totals.plus(waiting, US + number)
            kept += waiting.files
            waiting = Gathered()
        elif kind == 1:
            waiting.counts.append(RunCounts(input_rows=rows))
        else:
            waiting.steps.append(StagedStep("a", number, [file(str(number), rows=rows)]))
    totals, kept = totals.plus(waiting, US + 99), [*kept, *waiting.files]
    assert [f.path for f in kept] == [str(n) for n, (kind, _) in enumerate(steps) if kind == 0]
    assert totals.counts.input_rows == sum(rows for kind, rows in steps if kind == 1)
    assert totals.flushes == 1 + sum(kind == 2 for kind, _ in steps)
    assert np.all(totals.counters.daily.keys == Counters.empty().daily.keys)


def test_steps_of_a_lane_are_committed_in_their_order_whenever_they_come() -> None:
    one, two, three, other = (
        StagedStep(lane, number, [file(f"{lane} {number}")])
        for lane, number in (("a", 1), ("a", 2), ("a", 3), ("b", 1))
    )
    ready, waiting, done = Gathered.of([three, one, other]).in_order({})
    assert (ready.steps, waiting, done) == ([one, other], [three], {"a": 1, "b": 1})
    ready, waiting, done = Gathered.of([three, two]).in_order(done)
    assert (ready.steps, waiting, done) == ([two, three], [], {"a": 3, "b": 1})


def test_a_flush_of_other_content_is_another_commit_under_the_same_number(sealer: Sealer) -> None:
    """As after a restart from a checkpoint before it was sealed: it is not committed yet."""
    flush = sealer.seal(Totals(flushes=6), Gathered.of([PARTS[2]]), US)
    one, other = flush.sealed([file("a")]), flush.sealed([file("b")])
    assert one.commit_id("run") == SealedFlush.from_bytes(one.to_bytes()).commit_id("run")
    assert one.commit_id("run") != other.commit_id("run")
    assert {sealed.commit_id("run")[:6] for sealed in (one, other)} == {"run_7_"}


def test_a_report_says_what_is_not_in_the_tables_yet(sealer: Sealer) -> None:
    counts = RunCounts(input_rows=9, events=5, duplicates=2, dead_letters={"bad": 1})
    sealed = sealer.seal(Totals(), Gathered.of([counts, PARTS[1]]), US).sealed([])
    report = sealed.reported({"fct_events": 4}, Held(events=4, dead_letters=1))
    assert (report.flush, report.events, report.dead_letters, report.pending) == (1, 4, 1, 2)
    assert (report.in_marts, report.rows) == (1, {"fct_events": 4})


def test_flushes_and_plans_need_no_beam() -> None:
    code = (
        "import sys, pipeline.sinks.flush_state, pipeline.sinks.commit_plan; "
        "sys.exit('apache_beam' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
