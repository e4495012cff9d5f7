"""A batch on a Flink cluster of this machine beside Beam's local runner and the command's own
processes, and how long a job takes to go on when a TaskManager was killed.

python -m tests.benchmarks.flink             # prints a Markdown table; make test-cluster first
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.sample import write_sample
from tests.benchmarks.process import measure
from tests.cluster import holding
from tests.cluster.cluster import Cluster, running

_ROOT: Final = Path(__file__).parents[2]


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.flink", description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3, help="runs of each; medians are shown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running({}) as cluster:
        folder = Path(name)
        write_sample(folder / "events.csv", options.events, 7)
        ways: Mapping[str, Sequence[str]] = {
            "Flink, two TaskManagers": cluster.options,
            "Beam's local runner": ("--runner", "FnApiRunner"),
            "processes of the command": (),
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        jobs: list[float] = []
        for _ in range(options.runs):
            for way, more in ways.items():
                taken[way].append(measure(_batch(folder, *more), _ROOT).seconds)
                if more == cluster.options:
                    jobs.append(cluster.last_job()["duration"] / 1_000)
        print("| a batch by | seconds | events/s |")
        print("|---|---|---|")
        for way, seconds in {**taken, "the job on Flink alone": jobs}.items():
            median = statistics.median(seconds)
            print(f"| {way} | {median:.1f} | {options.events / median:,.0f} |", flush=True)
        for number in range(options.runs):
            print(f"- {_recovery(cluster, folder, killed=number)}", flush=True)


def _batch(folder: Path, *more: str) -> list[str]:
    """Into a file of its own each time."""
    database = folder / f"{time.monotonic_ns()}.duckdb"
    ours = [sys.executable, "-m", "pipeline", "batch", "--input", str(folder / "events.csv")]
    return [*ours, "--warehouse", f"duckdb:///{database}", *more]


def _recovery(cluster: Cluster, folder: Path, killed: int) -> str:
    """Kill a TaskManager while events are staged, and watch the job begin again."""
    cluster.bring_up()
    cluster.hold(holding.STAGED)
    run = subprocess.Popen(_batch(folder, *cluster.options), cwd=_ROOT, stdout=subprocess.DEVNULL)
    try:
        cluster.held_at(holding.STAGED, run)
        began = time.time()
        cluster.kill_task_manager()
        cluster.start_task_manager()
        cluster.release()
        cluster.wait_until(lambda: 0 < _since(cluster, "RESTARTING") < _since(cluster, "RUNNING"))
        noticed, again = (_since(cluster, state) - began for state in ("RESTARTING", "RUNNING"))
        run.wait()
        done = time.time() - began
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    return (
        f"TaskManager {killed + 1} killed: noticed after {noticed:.1f} s, the job ran again after "
        f"{again:.1f} s, and was done after {done:.1f} s, with exit code {run.returncode}"
    )


def _since(cluster: Cluster, state: str) -> float:
    """When the last job came into a state last, in seconds since 1970; 0 for never."""
    job = cluster.ask(f"/jobs/{cluster.last_job()['jid']}")
    return float(job["timestamps"][state]) / 1_000


if __name__ == "__main__":
    main()
