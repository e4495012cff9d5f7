"""Batches and updates on a Flink cluster, with processes of it killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.cluster import holding
from tests.cluster.cluster import Cluster
from tests.emulators.support import Home, unlike
from tests.support.runs import PATIENCE_SECONDS, command, contents, process_environment


@pytest.fixture(scope="session")
def expected(events: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DuckDB file of a batch on this machine over both files."""
    found = tmp_path_factory.mktemp("expected") / "growth.duckdb"
    here(events, "batch", "*.csv", found)
    return found


def here(events: Path, name: str, files: str, database: Path) -> None:
    run = command(
        *(name, "--input", str(events / files), "--warehouse", f"duckdb:///{database}"), cwd=events
    )
    assert run.returncode == 0, run.stderr


def words(name: str, files: Path, *more: str) -> list[str]:
    ours = [sys.executable, "-m", "pipeline", name, "--input", str(files)]
    return [*ours, "--user_shards", "4", *more]


def on_flink(cluster: Cluster, arguments: list[str], **environment: str) -> str:
    run = subprocess.run(
        arguments,
        env=process_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert run.returncode == 0, run.stderr + cluster.logs()
    return run.stdout


def at(database: Path) -> list[str]:
    return ["--warehouse", f"duckdb:///{database}"]


def runs(database: Path) -> list[tuple[object, ...]]:
    """What the last run has noted of itself."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(
            "SELECT command, outcome, counts FROM pipeline_runs ORDER BY started_at DESC LIMIT 1"
        ).fetchall()


def test_a_batch_and_an_update_into_a_file_end_as_on_this_machine(
    cluster: Cluster, events: Path, expected: Path, tmp_path: Path
) -> None:
    database = tmp_path / "growth.duckdb"
    first = on_flink(cluster, words("batch", events / "1.csv", *at(database), *cluster.options))
    assert "2,000 rows of 1 file" in first
    on_flink(cluster, words("update", events / "*.csv", *at(database), *cluster.options))
    assert unlike(contents(database), contents(expected)) == []
    assert [path.name for path in tmp_path.iterdir()] == [database.name]


def test_a_batch_and_an_update_into_bigquery_end_as_on_this_machine(
    cluster: Cluster, events: Path, expected: Path, home: Home
) -> None:
    more = ["--warehouse", home.url, "--temp_location", home.temp, *cluster.options_with_jar]
    environment = home.servers.environment
    on_flink(cluster, words("batch", events / "1.csv", *more), **environment)
    on_flink(cluster, words("update", events / "*.csv", *more), **environment)
    assert unlike(home.contents(), contents(expected)) == []
    assert home.leftovers() == []


@contextmanager
def held_update(cluster: Cluster, point: str, arguments: list[str], log: Path) -> Iterator[int]:
    """An update on its way, held at a point; gives the process id of the worker that is there.

    Behind the context it goes on, and must end well.
    """
    cluster.hold(point)
    with log.open("w") as output:
        run = subprocess.Popen(arguments, env=process_environment(), stdout=output, stderr=output)
    try:
        yield cluster.held_at(point, run)
        cluster.release()
        code = run.wait(PATIENCE_SECONDS)
        assert code == 0, log.read_text() + cluster.logs()
    finally:
        run.kill()
        run.wait()


@pytest.mark.parametrize(
    ("point", "victim"),
    [
        (holding.STAGED, "worker"),
        (holding.STAGED, "TaskManager"),
        (holding.WRITING, "worker"),
        (holding.WRITTEN, "worker"),
    ],
)
def test_an_update_goes_on_when_somebody_is_killed(
    cluster: Cluster, events: Path, expected: Path, tmp_path: Path, point: str, victim: str
) -> None:
    database, plain = tmp_path / "db" / "growth.duckdb", tmp_path / "plain.duckdb"
    database.parent.mkdir()
    for path in (database, plain):
        here(events, "batch", "1.csv", path)
    here(events, "update", "*.csv", plain)
    arguments = words("update", events / "*.csv", *at(database), *cluster.options)
    with held_update(cluster, point, arguments, tmp_path / "log") as worker:
        if victim == "worker":
            os.kill(worker, signal.SIGKILL)
        else:
            cluster.kill_task_manager()
            cluster.start_task_manager()
    assert cluster.restarts() > 0
    assert unlike(contents(database), contents(expected)) == []
    assert runs(database) == runs(plain)
    assert [path.name for path in database.parent.iterdir()] == [database.name]
