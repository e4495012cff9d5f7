"""Beam's options of a run."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import WorkerOptions

from pipeline.launch.beam_run import pipeline_options
from pipeline.launch.runners import Runner

CACHE = "--max_cache_memory_usage_mb"


@pytest.mark.parametrize(
    ("runner", "given", "megabytes"),
    [
        (Runner("DataflowRunner", local=False, workers=None), [], 256),
        (Runner("DataflowRunner", local=False, workers=None), [f"{CACHE}=10"], 10),
        (Runner("PortableRunner", local=False, workers=None), [CACHE, "0"], 0),
        (Runner("FnApiRunner", local=True, workers=1), [], 0),
    ],
)
def test_workers_elsewhere_have_a_cache_unless_another_one_is_asked_for(
    runner: Runner, given: list[str], megabytes: int
) -> None:
    options = pipeline_options(runner, given)
    assert options.view_as(WorkerOptions).max_cache_memory_usage_mb == megabytes
