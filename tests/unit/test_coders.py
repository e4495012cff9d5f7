"""Coders give back what they were given, in a size that fits."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from apache_beam.coders import registry
from apache_beam.portability import python_urns
from apache_beam.runners.pipeline_context import PipelineContext

from pipeline.inputs.csv_ranges import FileRange
from pipeline.inputs.input_versions import InputFile
from pipeline.sinks import element_coders
from pipeline.warehouse.changes import StagedFile
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


@pytest.mark.parametrize(
    "element",
    [
        InputFile("/data/\udcff é.csv", 10, "1 2 3"),
        InputFile("gs://bucket/events.csv", 0),
        FileRange("/a.csv", 10, "v", False, 3, [2, 0, 1], 5, 5, None),
        StagedFile("fct_events", "/s/fct_events-1.parquet", 3, 900, [1, 2], [1 << 80, -4], 7),
        StagedFile("dim_users", "gs://b/u.parquet", 1, 2, []),
    ],
)
def test_files_come_back_and_are_bytes_to_runners(element: tuple[object, ...]) -> None:
    element_coders.register()
    coder = registry.get_coder(type(element))
    found = coder.decode(coder.encode(element))
    assert type(found) is type(element)
    assert json.dumps(found) == json.dumps(element)
    # Flink's side of Beam decodes what it takes for rows, and failed over these.
    described = coder.to_runner_api(PipelineContext())
    assert described.spec.urn == python_urns.PICKLED_CODER
