"""All graphs as Dataflow gets them, translated offline."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from tests.support import batch_graph, streaming_graph, update_graph
from tests.support.runs import ROOT
from tests.support.streaming_graph import describe, has_coder
from tests.support.translation import IMAGE, OPTIONS, contents, environment, translated

SECRET = "not-for-anybody"
GRAPHS: dict[str, Callable[..., beam.Pipeline]] = {
    "batch": batch_graph.laid_out,
    "update": update_graph.laid_out,
    "streaming": streaming_graph.laid_out,
}


@pytest.fixture(scope="module", params=list(GRAPHS))
def job(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Any, Path]:
    """A graph's name and job, and the folder where it was made, with credentials around."""
    folder = tmp_path_factory.mktemp("job")
    key = folder / "key.json"
    key.write_text(json.dumps({"type": "authorized_user", "refresh_token": SECRET}))
    more = ["--enable_streaming_engine"] if request.param == "streaming" else []
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        patched.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", SECRET)
        patched.chdir(folder)
        return request.param, translated(GRAPHS[request.param](*OPTIONS, *more)), folder


@pytest.mark.parametrize("name", ["batch", "update"])
def test_labels_and_coders_are_those_on_record(name: str) -> None:
    """A change? python -m tests.support.NAME_graph > tests/pipeline/NAME_graph.txt"""
    record = Path(__file__).with_name(f"{name}_graph.txt").read_text().splitlines()
    assert describe(GRAPHS[name]()) == record


@pytest.mark.parametrize("name", ["batch", "update"])
def test_every_label_is_there_once(name: str) -> None:
    labels = [line.partition(" | ")[0] for line in describe(GRAPHS[name]())]
    assert len(set(labels)) == len(labels)


def test_what_batch_shuffles_has_a_coder_of_its_own() -> None:
    lines = {line.partition(" | ")[0]: line for line in describe(batch_graph.laid_out())}
    for label in (
        "ReadCsv/Find records",
        "ReadCsv/Read records",
        "ParseEvents/Validate/ParDo(_Parse)",
        "ByUserShard/Split by user",
        "UserShards/Group by shard",
        "UserShards/Sessionize and sum up/ParDo(_Shard)",
        "Stage fct_events/Write Parquet",
        "All staged files",
        "All counts",
    ):
        assert has_coder(lines[label])


def test_what_an_update_shuffles_has_a_coder_of_its_own() -> None:
    lines = {line.partition(" | ")[0]: line for line in describe(update_graph.laid_out())}
    for label in (
        "Stage touched_dates/Write Parquet",
        "ReadState/Read",
        "Events and state",
        "AdvanceShards/Group by shard",
        "AdvanceShards/Advance/ParDo(_Advance)",
        "FinishMarts/Finish/ParDo(_Finish)",
        "Changed rows",
        "All staged files",
        "All counts",
    ):
        assert has_coder(lines[label]), lines[label]


def test_modes_and_workers_are_as_they_are_meant(job: tuple[str, Any, Path]) -> None:
    name, found, _ = job
    streaming = name == "streaming"
    assert found.proto.type_.name == ("JOB_TYPE_STREAMING" if streaming else "JOB_TYPE_BATCH")
    proto = environment(found)
    assert ("enable_streaming_engine" in proto.experiments) == streaming
    assert "use_runner_v2" in proto.experiments
    # Exactly once is the default; the other mode is a service option.
    assert not any("at_least_once" in option for option in proto.service_options)
    (pool,) = proto.worker_pools
    assert pool.worker_harness_container_image == IMAGE
    assert [image.container_image for image in pool.sdk_harness_container_images] == [IMAGE]


def test_no_step_asks_for_special_machines(job: tuple[str, Any, Path]) -> None:
    """All steps run in one environment, on any machine: what would part them costs a shuffle."""
    environments = job[1].proto_pipeline.components.environments
    assert len(environments) == 1
    assert [dict(each.resource_hints) for each in environments.values()] == [{}]


def test_dataflow_gets_the_labels_that_the_record_has(job: tuple[str, Any, Path]) -> None:
    name, found, _ = job
    known = {step.unique_name for step in found.proto_pipeline.components.transforms.values()}
    record = Path(__file__).with_name(f"{name}_graph.txt").read_text().splitlines()
    assert {line.partition(" | ")[0] for line in record} <= known


def test_nothing_in_the_graph_holds_a_credential(job: tuple[str, Any, Path]) -> None:
    for content in contents(job[1]):
        for message in (SECRET, "private_key", "refresh_token", "google.oauth2", "Credentials"):
            assert message.encode() not in content


def test_nothing_in_the_graph_holds_a_local_path(job: tuple[str, Any, Path]) -> None:
    """But for the source files' names in functions that are pickled whole, which nobody opens."""
    places = {
        *(str(ROOT), str(job[2]), tempfile.gettempdir(), str(Path.home()), os.getcwd()),
        *(sys.prefix, sys.base_prefix, sysconfig.get_path("purelib")),
    }
    # A folder of gs:// may be called tmp too.
    pattern = "(?<![a-z/])(" + "|".join(map(re.escape, sorted(places))) + r")[\w./-]*"
    for content in contents(job[1]):
        found = [match[0] for match in re.finditer(pattern.encode(), content)]
        assert [path for path in found if not path.endswith(b".py")] == []


def test_a_local_path_would_be_found(tmp_path: Path) -> None:
    """The tests above see into what is pickled."""
    pipeline = beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions(list(OPTIONS)))
    place, secret = str(tmp_path), SECRET
    pipeline | beam.Create([1]) | beam.Map(lambda _: (place, secret))
    found = b" ".join(contents(translated(pipeline)))
    assert place.encode() in found
    assert secret.encode() in found
