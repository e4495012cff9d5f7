"""Batches and updates on a Flink cluster, with processes of it killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


def here(events: Path, name: str, files: str, database: Path) -> str:
    """Run a command on this machine; gives what it prints."""
    run = command(
        *(name, "--input", str(events / files), "--warehouse", f"duckdb:///{database}"), cwd=events
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


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


def last_run(database: Path) -> list[tuple[object, ...]]:
    """What the last run has noted of itself."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(
            "SELECT command, outcome, counts FROM pipeline_runs ORDER BY started_at DESC LIMIT 1"
        ).fetchall()


def line_of_sum(printed: str) -> str:
    """How a summary counts input rows."""
    return next(line for line in printed.splitlines() if " input rows = " in line).strip()


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


def test_a_rebuild_and_a_replay_end_as_on_this_machine(
    cluster: Cluster, database: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.duckdb"
    shutil.copy(database, plain)
    for name, *more in (("rebuild",), ("replay", "--edit", "s/Z,,/Z,u0000009,/")):
        local = command(name, *at(plain), *more, cwd=tmp_path)
        assert local.returncode == 0, local.stderr
        there = [sys.executable, "-m", "pipeline", name, *at(database), *more, *cluster.options]
        on_flink(cluster, there)
        assert last_run(database) == last_run(plain)
        assert unlike(contents(database), contents(plain)) == []
    assert [path.name for path in database.parent.iterdir()] == [database.name]


@dataclass
class Held:
    """A command on its way that is held at a point.

    Attributes:
        run: its process.
        worker: the process id of the worker that is there.
        log: what the command prints.
    """

    run: subprocess.Popen[bytes]
    worker: int
    log: Path

    def end(self, cluster: Cluster) -> int:
        """Let it go on to its end; gives its exit code."""
        cluster.release()
        return self.run.wait(PATIENCE_SECONDS)


@contextmanager
def held(
    cluster: Cluster, point: str, arguments: list[str], log: Path, **environment: str
) -> Iterator[Held]:
    cluster.hold(point)
    with log.open("w") as output:
        run = subprocess.Popen(
            arguments, env=process_environment(**environment), stdout=output, stderr=output
        )
    try:
        yield Held(run, cluster.held_at(point, run), log)
    finally:
        run.kill()
        run.wait()


@pytest.fixture
def database(events: Path, tmp_path: Path) -> Path:
    """A DuckDB file with the first of both files, alone in its folder."""
    found = tmp_path / "db" / "growth.duckdb"
    found.parent.mkdir()
    here(events, "batch", "1.csv", found)
    return found


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
    cluster: Cluster,
    events: Path,
    expected: Path,
    database: Path,
    tmp_path: Path,
    point: str,
    victim: str,
) -> None:
    plain = tmp_path / "plain.duckdb"
    shutil.copy(database, plain)
    printed = here(events, "update", "*.csv", plain)
    arguments = words("update", events / "*.csv", *at(database), *cluster.options)
    with held(cluster, point, arguments, tmp_path / "log") as update:
        if victim == "worker":
            os.kill(update.worker, signal.SIGKILL)
        else:
            cluster.kill_task_manager()
            cluster.start_task_manager()
        assert update.end(cluster) == 0, update.log.read_text() + cluster.logs()
    assert cluster.restarts() > 0
    assert unlike(contents(database), contents(expected)) == []
    assert last_run(database) == last_run(plain)
    assert line_of_sum(update.log.read_text()) == line_of_sum(printed)
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_an_update_whose_coordinator_is_killed_inside_the_commit_is_run_again(
    cluster: Cluster, events: Path, expected: Path, database: Path, tmp_path: Path
) -> None:
    arguments = words("update", events / "*.csv", *at(database), *cluster.options)
    with held(cluster, holding.WRITING, arguments, tmp_path / "log") as update:
        cluster.kill_manager()
        assert update.end(cluster) == 1, update.log.read_text()
    cluster.bring_up()
    cluster.wait_until(lambda: not Path(f"/proc/{update.worker}").exists())
    on_flink(cluster, arguments)
    assert unlike(contents(database), contents(expected)) == []
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_a_batch_into_bigquery_goes_on_when_its_worker_is_killed_inside_the_commit(
    cluster: Cluster, events: Path, expected: Path, home: Home, tmp_path: Path
) -> None:
    more = ["--warehouse", home.url, "--temp_location", home.temp, *cluster.options]
    arguments = words("batch", events / "*.csv", *more)
    environment = home.servers.environment
    with held(cluster, holding.WRITING, arguments, tmp_path / "log", **environment) as batch:
        os.kill(batch.worker, signal.SIGKILL)
        assert batch.end(cluster) == 0, batch.log.read_text() + cluster.logs()
    assert cluster.restarts() > 0
    assert unlike(home.contents(), contents(expected)) == []
    assert home.leftovers() == []
