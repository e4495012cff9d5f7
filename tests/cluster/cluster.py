"""A Flink cluster of processes on loopback: a JobManager, two TaskManagers, Beam's job server and a
pool of worker processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster import holding
from tests.cluster.install import JAR
from tests.emulators.servers import free_ports
from tests.support.runs import PATIENCE_SECONDS, process_environment

TASK_MANAGERS: Final = 2
_WORKERS_KEPT_MS: Final = 2_000
# What Flink opens of Java 17 for itself.
_OPENED: Final = (
    *("java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect"),
    *("java.text", "java.time", "java.util", "java.util.concurrent"),
    *("java.util.concurrent.atomic", "java.util.concurrent.locks"),
)
# In MB. A cluster of a few rows is to leave the machine to others.
_MEMORY: Final = {
    "framework.heap.size": 128,
    "framework.off-heap.size": 128,
    "task.heap.size": 384,
    "task.off-heap.size": 64,
    "managed.size": 128,
    "network.min": 128,
    "network.max": 128,
    "jvm-metaspace.size": 256,
    "jvm-overhead.min": 192,
    "jvm-overhead.max": 192,
}


@dataclass
class Cluster:
    """The running cluster.

    Attributes:
        folder: of its files.
        rest: the address of the JobManager's REST API.
        jobs: that of Beam's job server.
        pool: that of the worker pool.
        holds: where points are held; see `holding`.
        managers: the TaskManagers.
        manager: the JobManager.
    """

    folder: Path
    rest: str
    jobs: str
    pool: str
    holds: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    managers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    manager: subprocess.Popen[bytes] | None = None

    @property
    def options(self) -> list[str]:
        """Options of a command whose graph it runs."""
        return [*self._options, "--job_endpoint", self.jobs]

    @property
    def options_with_jar(self) -> list[str]:
        """The same for a command that starts a job server of its own."""
        return [*self._options, "--flink_job_server_jar", str(JAR)]

    @property
    def _options(self) -> list[str]:
        return [
            *("--runner", "FlinkRunner", "--flink_version", "1.19", "--flink_master", self.rest),
            *("--parallelism", str(TASK_MANAGERS)),
            *("--environment_type", "EXTERNAL", "--environment_config", self.pool),
            *("--environment_cache_millis", str(_WORKERS_KEPT_MS)),
        ]

    def ask(self, path: str) -> Any:
        """What the REST API answers."""
        with urllib.request.urlopen(f"http://{self.rest}{path}", timeout=10) as answer:
            return json.load(answer)

    def last_job(self) -> Mapping[str, Any]:
        """What is known of the job that was sent last."""
        found = max(self.ask("/jobs/overview")["jobs"], key=lambda job: job["start-time"])
        return {**found, "exceptions": self.ask(f"/jobs/{found['jid']}/exceptions")}

    def restarts(self) -> int:
        """How often the last job has failed and gone on."""
        return len(self.last_job()["exceptions"]["exceptionHistory"]["entries"])

    def checkpoints(self) -> Mapping[str, int]:
        """Of the last job how many checkpoints are completed, and how often one was restored."""
        found: Mapping[str, int] = self.ask(f"/jobs/{self.last_job()['jid']}/checkpoints")["counts"]
        return found

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        tasks = Path(f"/proc/{self.started[0].pid}/task")
        return [
            int(pid)
            for children in tasks.glob("*/children")
            for pid in children.read_text().split()
        ]

    def start(self, name: str, command: Sequence[str], **more: str) -> subprocess.Popen[bytes]:
        """Start a process, which logs into a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=process_environment(**more), stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def start_manager(self) -> None:
        """Start the JobManager."""
        entrypoint = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        mode = ["--configDir", str(self.folder), "--executionMode", "cluster"]
        self.manager = self.start("jobmanager", [*_java(400), "-cp", str(JAR), entrypoint, *mode])

    def start_task_manager(self) -> None:
        """Start a TaskManager."""
        sizes = [f"taskmanager.memory.{name}={size}m" for name, size in _MEMORY.items()]
        settings = ["taskmanager.cpu.cores=1.0", *sizes]
        self.managers.append(
            self.start(
                f"taskmanager-{len(self.started)}",
                [
                    *(*_java(512), "-XX:MaxDirectMemorySize=320m", "-cp", str(JAR)),
                    "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
                    *("--configDir", str(self.folder)),
                    *(word for setting in settings for word in ("-D", setting)),
                ],
            )
        )

    def bring_up(self) -> None:
        """Start what is missing of the cluster, and wait until it is whole and idle."""
        if self.manager is None or self.manager.poll() is not None:
            self.start_manager()
        # A TaskManager that asks too early asks again after ten seconds.
        self.wait_until(lambda: bool(self.ask("/overview")))
        self.managers = [process for process in self.managers if process.poll() is None]
        while len(self.managers) < TASK_MANAGERS:
            self.start_task_manager()
        self.wait_until(self.is_idle)

    def is_idle(self) -> bool:
        """Whether all TaskManagers are there, and no job."""
        found = self.ask("/overview")
        return bool(
            found["taskmanagers"] == TASK_MANAGERS and found["slots-available"] == TASK_MANAGERS
        )

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; an API that does not answer says no."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if holds():
                    return
            except (OSError, urllib.error.URLError):
                pass
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def hold(self, point: str) -> None:
        """Let workers wait at a point; see `holding`."""
        (self.holds / point).touch()

    def held_at(self, point: str, run: subprocess.Popen[bytes]) -> int:
        """Wait until a worker of a run is at a point; gives its process id."""
        found: list[str] = []

        def is_there() -> bool:
            assert run.poll() is None, self.logs()
            found.extend(path.name for path in self.holds.glob(f"{point}-*"))
            return bool(found)

        self.wait_until(is_there)
        return int(found[0].removeprefix(f"{point}-"))

    def release(self) -> None:
        """Let all workers go on."""
        for path in self.holds.iterdir():
            path.unlink()

    def kill_task_manager(self) -> None:
        """Kill a TaskManager that has work."""
        victim = self.managers.pop()
        victim.kill()
        victim.wait()

    def kill_manager(self) -> None:
        """Kill the JobManager."""
        assert self.manager is not None
        self.manager.kill()
        self.manager.wait()

    def logs(self) -> str:
        """The ends of all logs."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{file.name}:\n{file.read_text()[-700:]}" for file in files)

    def end(self) -> None:
        """End all processes."""
        for process in self.started:
            process.kill()
        for process in self.started:
            process.wait()


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[Cluster]:
    """Start a cluster, which ends with the context.

    Args:
        environment: of its workers, beside that of this process.
    """
    folder = Path(tempfile.mkdtemp(prefix="flink-"))
    rpc, rest, jobs, pool = free_ports(4)
    holds = folder / "holds"
    holds.mkdir()
    cluster = Cluster(
        folder,
        rest=f"localhost:{rest}",
        jobs=f"localhost:{jobs}",
        pool=f"localhost:{pool}",
        holds=holds,
    )
    try:
        (folder / "config.yaml").write_text(json.dumps(_configuration(folder, rpc, rest)))
        cluster.start(
            "pool",
            [sys.executable, "-m", "tests.cluster.worker_pool", str(pool)],
            **{**environment, holding.FOLDER: str(holds)},
        )
        cluster.start_manager()
        cluster.start(
            "jobserver",
            [
                *(*_java(512), "-jar", str(JAR), "--flink-master", cluster.rest),
                *("--artifacts-dir", str(folder / "artifacts"), "--job-port", str(jobs)),
                *("--artifact-port", "0", "--expansion-port", "0"),
            ],
        )
        cluster.bring_up()
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(folder: Path, rpc: int, rest: int) -> dict[str, Any]:
    return {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.rpc.port": rpc,
        "jobmanager.bind-host": "localhost",
        "taskmanager.host": "localhost",
        "taskmanager.bind-host": "localhost",
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": rest,
        "io.tmp.dirs": str(folder),
        "heartbeat.interval": 1000,
        "heartbeat.timeout": 6000,
        "taskmanager.network.sort-shuffle.min-buffers": 16,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 10,
        # Longer than workers are kept: a restart that finds one which was killed fails.
        "restart-strategy.fixed-delay.delay": f"{2 * _WORKERS_KEPT_MS} ms",
        "state.checkpoints.dir": f"file://{folder}/checkpoints",
        # Workers are kept for the stages of a job where the cluster itself has Beam's classes.
        "classloader.resolve-order": "parent-first",
    }


def _java(heap_mb: int) -> list[str]:
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]
    return ["java", *opened, f"-Xmx{heap_mb}m", "-XX:TieredStopAtLevel=1"]
