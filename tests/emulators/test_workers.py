"""Workers that have nothing but the package: its source distribution, alone in an environment.

A job service runs the batch graph, and a worker pool of that environment does the work: the path
that a portable runner takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import __version__
from pipeline.graphs.batch_graph import build
from pipeline.graphs.batch_job import BatchJob
from pipeline.inputs.listing import find_inputs
from pipeline.sample import write_sample
from pipeline.warehouse import open_warehouse
from tests.emulators.servers import free_ports
from tests.support.repository import copy_to, tracked
from tests.support.runs import PATIENCE_SECONDS, Run, contents, run_graph
from tests.support.tables import NOW
from transforms.figure_settings import FigureSettings
from transforms.marts.registry import TABLES

pytestmark = pytest.mark.xdist_group("image")

_BUILD = "import setuptools.build_meta as build; print(build.build_sdist('dist'))"


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder with an environment in which nothing is installed yet."""
    if os.environ.get("EMULATORS") != "required":
        pytest.skip("an environment is filled from a package index in minutes: make test-emulators")
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        subprocess.run([sys.executable, "-m", "venv", f"{name}/venv"], check=True)
        yield Path(name)


@pytest.fixture(scope="session")
def sdist(folder: Path) -> Path:
    """The source distribution, built from a copy of the repository."""
    copy_to(folder / "source")
    _pip(folder, "setuptools>=77")
    command = [_python(folder), "-c", _BUILD]
    subprocess.run(command, cwd=folder / "source", env=_bare(folder), check=True)
    (found,) = (folder / "source" / "dist").iterdir()
    return found


@pytest.fixture(scope="session")
def installed(folder: Path, sdist: Path) -> Path:
    """The environment, with the source distribution and what it asks for."""
    kept = folder / sdist.name
    shutil.move(sdist, kept)
    shutil.rmtree(folder / "source")
    _pip(folder, str(kept))
    return folder


def _python(folder: Path) -> str:
    return str(folder / "venv" / "bin" / "python")


def _pip(folder: Path, wanted: str) -> None:
    pip = [_python(folder), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, wanted], cwd=folder, check=True)


def _bare(folder: Path) -> dict[str, str]:
    """An environment that leads to the packages there, and to no others."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PATH": f"{folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_the_source_distribution_holds_everything(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    whole = ("pipeline", "transforms", "templates", "docs")
    wanted = {name for name in tracked() if name.partition("/")[0] in whole}
    single = {"Dockerfile", "LICENSE", "Makefile", "README.md", "deploy.env.example", "setup.py"}
    assert wanted | single <= held


def test_it_installs_alone(installed: Path, tmp_path: Path) -> None:
    python = _python(installed)
    run = subprocess.run(
        [python, "-m", "pipeline", "--version"],
        cwd=tmp_path,
        env=_bare(installed),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout.strip()) == (0, __version__)
    check = [python, "-m", "pip", "check", "--disable-pip-version-check"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0


@contextmanager
def _process(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=log.parent, env=environment, stdout=output, stderr=output
        ) as run,
    ):
        try:
            yield
        finally:
            run.terminate()


@pytest.fixture
def portable(installed: Path, tmp_path: Path) -> Iterator[tuple[list[str], Callable[[], str]]]:
    """Options that lead to a job service and a pool of workers; and what the pool has printed."""
    (port,) = free_ports(1)
    job_port = tmp_path / "job_port"
    service = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    python = _python(installed)
    pool = [python, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"]
    with (
        _process([*service, f"--port_file={job_port}"], tmp_path / "service.log", {**os.environ}),
        _process(pool, tmp_path / "pool.log", _bare(installed)),
    ):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not job_port.exists() or not job_port.read_text():
            assert time.monotonic() < deadline, (tmp_path / "service.log").read_text()
            time.sleep(0.05)
        options = [
            *("--runner=PortableRunner", f"--job_endpoint=localhost:{job_port.read_text()}"),
            *("--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{port}"),
        ]
        yield options, (tmp_path / "pool.log").read_text


def test_workers_that_have_only_the_package_give_the_same_tables(
    portable: tuple[list[str], Callable[[], str]], tmp_path: Path
) -> None:
    options, output = portable
    sample = tmp_path / "events.csv"
    write_sample(str(sample), 3_000, 5)
    run_graph([sample], tmp_path / "here.duckdb", Run(range_bytes=50_000))
    warehouse = open_warehouse(f"duckdb:///{tmp_path}/there.duckdb")
    with warehouse.lock(tuple(TABLES.values()), None, "test") as staging:
        job = BatchJob(
            files=find_inputs([str(sample)]),
            warehouse=warehouse,
            staging=staging,
            user_shards=3,
            figures=FigureSettings(),
            max_dead_letter_pct=100.0,
            run="test",
            started_at=NOW,
            range_bytes=50_000,
        )
        pipeline = beam.Pipeline(options=PipelineOptions(options))
        build(pipeline, job)
        pipeline.run().wait_until_finish()
    assert "Starting worker with command" in output()
    here, there = contents(tmp_path / "here.duckdb"), contents(tmp_path / "there.duckdb")
    assert all(here[name].equals(there[name]) for name in TABLES)
    assert there["fct_events"].num_rows > 2_000
