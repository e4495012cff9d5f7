"""Dry runs offline, and what a run on Dataflow tells in its log."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.flex_template import translate
from pipeline.errors import OptionError
from pipeline.launch.dry_run import REAL_RUN, DryRun
from pipeline.warehouse import open_warehouse
from tests.support import forks
from tests.support.repository import ROOT
from tests.support.runs import process_environment, run_batch
from tests.support.thorough import THOROUGH
from transforms.marts.registry import TABLES

ON_DATAFLOW = (
    *("--warehouse=bigquery://test-project/growth", "--runner=DataflowRunner", "--dry_run"),
    *("--no_auth", "--project=test-project", "--region=europe-west3", "--job_name=growth"),
    *("--temp_location=gs://bucket/tmp", "--staging_location=gs://bucket/staging"),
)


def launch(folder: Path, *parameters: str) -> subprocess.CompletedProcess[str]:
    """The launcher's file, without network and credentials."""
    return forks.run(parameters, folder, offline(folder), ROOT / "templates" / "launch.py")


def launch_quickly(folder: Path, *parameters: str) -> subprocess.CompletedProcess[str]:
    """The command that the launcher's file would become, in a fork for a new interpreter."""
    command, translated, dropped = translate(parameters)
    run = forks.run([command, *translated], folder, offline(folder))
    run.stderr += "".join(dropped)
    return run


def offline(folder: Path) -> dict[str, str]:
    return process_environment(
        NO_GCE_CHECK="true", CLOUDSDK_CONFIG=str(folder), GOOGLE_APPLICATION_CREDENTIALS=""
    )


_SUBSCRIPTION = "--subscription=projects/test-project/subscriptions/events"


@pytest.mark.parametrize(
    ("launched", "source"),
    [
        (launch, "--input=gs://bucket/*.csv"),
        (launch if THOROUGH else launch_quickly, _SUBSCRIPTION),
    ],
    ids=["batch", "stream"],
)
def test_both_templates_are_translated_offline(
    tmp_path: Path, launched: Callable[..., subprocess.CompletedProcess[str]], source: str
) -> None:
    run = launched(tmp_path, source, *ON_DATAFLOW, "--from_the_future=1")
    assert run.returncode == 0, run.stderr
    expected = "Dry run: the graph is translated for Dataflow; nothing was started or written\n"
    assert run.stdout == expected
    assert os.listdir(tmp_path) == []
    # What nobody knows is said.
    assert "--from_the_future=1" in run.stderr
    if launched is launch:
        assert "No option of the pipeline or of Beam, left out: --from_the_future" in run.stderr


def test_files_of_this_machine_are_refused_for_workers_elsewhere(tmp_path: Path) -> None:
    run = launch_quickly(tmp_path, "--input=events/*.csv", *ON_DATAFLOW)
    assert run.returncode == 2
    assert "events/*.csv is a path on this machine, which the workers of Dataflow" in run.stderr


def test_a_dry_run_still_finds_wrong_options(tmp_path: Path) -> None:
    wanted = [option for option in ON_DATAFLOW if not option.startswith("--temp_location")]
    run = launch_quickly(tmp_path, "--input=gs://bucket/*.csv", *wanted)
    assert run.returncode == 2
    assert "--temp_location gs://bucket/folder" in run.stderr


def test_an_update_is_translated_offline(tmp_path: Path) -> None:
    run = launch_quickly(tmp_path, _SUBSCRIPTION, *ON_DATAFLOW, "--continues=true")
    assert run.returncode == 0, run.stderr


def test_a_dry_run_has_no_writer_and_offline_no_reader(tmp_path: Path) -> None:
    home = open_warehouse(f"duckdb:///{tmp_path}/growth.duckdb")
    online, offline = DryRun(asked=True, offline=False), DryRun(asked=True, offline=True)
    assert (online.writer(home), online.reader(home)) == (None, home)
    assert (offline.writer(home), offline.reader(home)) == (None, None)
    assert (REAL_RUN.writer(home), REAL_RUN.reader(home)) == (home, home)
    assert online.folder("gs://bucket/tmp/", "run") == "gs://bucket/tmp/dry-run/run"
    tables = tuple(TABLES.values())
    for dry_run in (online, offline):
        dry_run.check(home, tables, None)
        with pytest.raises(OptionError, match="no folder on this machine"):
            dry_run.check(home, tables, "gs://bucket/tmp")
    assert os.listdir(tmp_path) == []


def test_the_log_tells_the_sum_of_a_run(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pipeline.sinks.run_commit"):
        run_batch([folder / "events.csv"], folder / "growth.duckdb")
    expected = (
        "tables replaced: 3 input rows = 1 events + 1 duplicates + 1 dead letters + 0 of forgotten"
    )
    assert expected in caplog.text
