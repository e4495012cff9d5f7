"""A launch on Dataflow as far as the launcher goes: it writes the job down, and leaves.

Its last option is where: `--template_location`; Dataflow reads the job there, and starts it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import google.cloud.pubsub as pubsub
import pytest
from apache_beam.io.filesystems import FileSystems

from templates.settings import ROOT
from tests.emulators.conftest import required
from tests.emulators.servers import PROJECT, missing_pubsub
from tests.emulators.support import Home, unlike
from tests.support.runs import process_environment
from tests.support.translation import IMAGE
from transforms.marts.registry import TABLES


def launch(home: Home, *parameters: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the launcher's file; what it printed, and the job that it wrote down."""
    run = subprocess.run(
        [
            *(sys.executable, str(ROOT / "templates" / "launch.py"), *parameters),
            *(f"--warehouse={home.url}", f"--temp_location={home.temp}/tmp"),
            *(f"--staging_location={home.temp}/staging", "--runner=DataflowRunner"),
            *(f"--template_location={home.temp}/job_object", "--job_name=growth"),
            *(f"--project={PROJECT}", "--region=europe-west3", "--labels=team=growth"),
        ],
        cwd="/",
        env=process_environment(GROWTH_PIPELINE_IMAGE=IMAGE, **home.servers.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    job = home.staged / "job_object"
    return run, json.loads(job.read_text()) if job.exists() else {}


def staged_tables(home: Home) -> set[str]:
    return {item.table_id for item in home.client.list_tables(home.dataset)}


def test_batch_is_written_down_and_not_waited_for(home: Home, sample: Path) -> None:
    home.upload(sample, "in/events.csv")
    run, job = launch(home, f"--input={home.temp}/in/*.csv", "--user_shards=8")
    assert run.returncode == 0, run.stderr
    assert job["type"] == "JOB_TYPE_BATCH"
    assert job["name"] == "growth"
    (pool,) = job["environment"]["workerPools"]
    assert pool["workerHarnessContainerImage"] == IMAGE
    options = job["environment"]["sdkPipelineOptions"]["options"]
    assert options["user_shards"] == 8
    # The tables are claimed, and nothing is in them yet.
    assert set(TABLES) <= staged_tables(home)
    assert home.table("fct_events").num_rows == 0


def test_streaming_is_written_down(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    required(missing_pubsub())
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", home.servers.pubsub)
    topic, name = (
        f"projects/{PROJECT}/{kind}/{home.dataset}" for kind in ("topics", "subscriptions")
    )
    with pubsub.PublisherClient() as publisher, pubsub.SubscriberClient() as subscriber:
        publisher.create_topic(name=topic)
        subscriber.create_subscription(name=name, topic=topic)
    run, job = launch(home, f"--subscription={name}", "--enable_streaming_engine=true")
    assert run.returncode == 0, run.stderr
    assert job["type"] == "JOB_TYPE_STREAMING"
    assert "enable_streaming_engine" in job["environment"]["experiments"]


def test_a_job_that_was_handed_over_keeps_its_folder(home: Home, here: None) -> None:
    warehouse, tables = home.warehouse(), tuple(TABLES.values())
    folder = warehouse.claim(tables, home.temp, home.run("kept"))
    with FileSystems.create(f"{folder}/rows.parquet") as stream:
        stream.write(b"staged by a worker")
    assert home.leftovers() == ["rows.parquet"]
    # The next run clears what no job needs any more.
    with warehouse.lock(tables, home.temp, home.run("next")):
        assert home.leftovers() == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_dry_run_looks_and_leaves_everything_as_it_is(
    home: Home, sample: Path, exists: bool
) -> None:
    home.upload(sample, "in/events.csv")
    if exists:
        assert home.batch(sample).returncode == 0
        before = home.contents()
    run, job = launch(home, f"--input={home.temp}/in/*.csv", "--dry_run=True")
    assert (run.returncode, job) == (0, {}), run.stderr
    assert "Dry run: the graph is translated for Dataflow" in run.stdout
    if exists:
        assert unlike(home.contents(), before) == []
    else:
        datasets = [item.dataset_id for item in home.client.list_datasets()]
        assert home.dataset not in datasets
    run, _ = launch(home, f"--input={home.temp}/none/*.csv", "--dry_run=True")
    assert run.returncode == 2
    assert "matches no file" in run.stderr
