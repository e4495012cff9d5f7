"""Coders give back what they were given, in a size that fits."""

from __future__ import annotations

import pyarrow as pa

from tests.support.tables import compute, csv_text, parse, row
from transforms.coders import CountersCoder, RecordBatchCoder, RunCountsCoder, TableCoder
from transforms.kernels.contributions import contributions
from transforms.kernels.run_counts import Example, RunCounts
from transforms.kernels.sessions import sort_events
from transforms.kernels.timelines import timelines

_EVENTS = parse(
    csv_text(row(f"2024-01-01T00:00:00.{micros:06}Z", category="a,b") for micros in range(5_000))
)[0].events


def test_a_record_batch_comes_back() -> None:
    coder = RecordBatchCoder()
    assert coder.decode(coder.encode(_EVENTS)).equals(_EVENTS)


def test_a_slice_weighs_what_it_holds() -> None:
    coder = RecordBatchCoder()
    part = _EVENTS.slice(1_000, 10)
    assert len(coder.encode(part)) < len(coder.encode(_EVENTS)) / 10
    assert coder.decode(coder.encode(part)).equals(part)
    assert coder.estimate_size(part) < 2_000


def test_a_table_of_several_chunks_and_dictionaries_comes_back() -> None:
    coder = TableCoder()
    table = compute([_EVENTS])["fct_events"]
    chunked = pa.concat_tables([table.slice(0, 10), compute([_EVENTS.slice(9)])["fct_events"]])
    assert coder.decode(coder.encode(chunked)).to_pylist() == chunked.to_pylist()


def test_counters_and_run_counts_come_back() -> None:
    counters = contributions(timelines(sort_events([_EVENTS])), (0, 1, 2, 3, 4))
    assert CountersCoder().decode(CountersCoder().encode(counters)) == counters
    counts = RunCounts(
        5, 3, 1, 1, {"bad_country": 1}, {"bad_country": Example("m", "p\n,é", "file", "7")}
    )
    assert RunCountsCoder().decode(RunCountsCoder().encode(counts)) == counts
