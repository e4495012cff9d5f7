"""Beam's options of a run."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import DebugOptions, WorkerOptions

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


@pytest.mark.parametrize(
    ("name", "given", "experiments"),
    [
        ("PrismRunner", [], ["prism_disable_sdf_split"]),
        ("PortableRunner", ["--experiments=a,b"], ["a", "b", "prism_disable_sdf_split"]),
        ("DataflowRunner", ["--experiments=a"], ["a"]),
    ],
)
def test_prism_splits_no_bundles_whose_keys_have_state(
    name: str, given: list[str], experiments: list[str]
) -> None:
    options = pipeline_options(Runner(name, local=False, workers=None), given)
    assert options.view_as(DebugOptions).experiments == experiments


@pytest.mark.parametrize(
    ("name", "given", "pauses"),
    [
        ("FlinkRunner", [], ["1000"]),
        ("FlinkRunner", ["--min_pause_between_checkpoints=5"], ["1000", "5"]),
        ("PortableRunner", [], []),
    ],
)
def test_on_flink_a_checkpoint_does_not_begin_as_soon_as_another_one_ends(
    name: str, given: list[str], pauses: list[str]
) -> None:
    """Of an option that is given twice the last one is taken."""
    options = pipeline_options(Runner(name, local=False, workers=None), given)
    option = "--min_pause_between_checkpoints="
    found = [word.removeprefix(option) for word in options._flags if word.startswith(option)]
    assert found == pauses


def test_beam_knows_the_options_of_flinks_job_server() -> None:
    """It warns of those that it does not know, though they are sent."""
    given = ["--checkpointing_interval", "2000", "--state_backend=rocksdb"]
    options = pipeline_options(Runner("FlinkRunner", local=False, workers=None), given)
    found = options.get_all_options(drop_default=True)
    assert found["checkpointing_interval"] == 2_000
    assert found["state_backend"] == "rocksdb"
    assert found["finish_bundle_before_checkpointing"] is True
