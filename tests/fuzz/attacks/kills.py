"""Batches and replays that are killed at any moment: tables as before or after, never between."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz.commands import (
    MOST_SECONDS,
    Tables,
    check_clean,
    left,
    said,
    same,
    started,
    succeeded,
)
from tests.fuzz.watch import wait

_BATCH = ("batch", "--allow_shrink", "--warehouse", "duckdb:///growth.duckdb", "--input")
_REPLAY = ("replay", "--warehouse", "duckdb:///growth.duckdb", "--edit", "s/IOS_APP/iOS/")


def batch_case(chance: random.Random, folder: Path) -> int:
    """Batches over a file, killed, into tables of another one."""
    small, large = chance.choice([300, 3_000]), chance.choice([3_000, 40_000])
    succeeded(folder, *_sample(chance, small, "before.csv"))
    succeeded(folder, *_sample(chance, large, "after.csv"))
    succeeded(folder, *_BATCH, "before.csv")
    return _attack(chance, folder, (*_BATCH, "after.csv"))


def replay_case(chance: random.Random, folder: Path) -> int:
    """Replays of many dead letters, killed."""
    succeeded(folder, *_sample(chance, chance.choice([300, 20_000]), "before.csv"))
    path = folder / "before.csv"
    path.write_bytes(path.read_bytes().replace(b",iOS,", b",IOS_APP,"))
    (folder / "after.csv").touch()
    succeeded(folder, *_BATCH, "before.csv", "--max_dead_letter_pct", "100")
    return _attack(chance, folder, _REPLAY)


def _sample(chance: random.Random, events: int, name: str) -> Sequence[str]:
    seed = str(chance.randrange(1 << 30))
    return ("sample", "--events", str(events), "--seed", seed, "--output", name)


def _attack(chance: random.Random, folder: Path, arguments: Sequence[str]) -> int:
    """Kill a command some times, and let it end once more after the last; counts the kills."""
    files = {path.name for path in folder.iterdir()} - {"said"}
    before, database = left(folder), (folder / "growth.duckdb").read_bytes()
    begin = time.monotonic()
    succeeded(folder, *arguments)
    seconds = time.monotonic() - begin
    after = left(folder)
    assert not same(before, after)
    kills = 0
    for _ in range(3):
        (folder / "growth.duckdb").write_bytes(database)
        (folder / "growth.duckdb.wal").unlink(missing_ok=True)
        kills += _killed(chance, folder, arguments, seconds)
        _check(folder, before, after)
    _check_next(folder, arguments, after)
    check_clean(folder, files)
    return kills


def _killed(chance: random.Random, folder: Path, arguments: Sequence[str], seconds: float) -> bool:
    """Start a command and kill it; whether it was still there."""
    with started(folder, arguments) as run:
        if chance.random() < 0.8:
            # Most of a run goes by before it touches anything.
            _wait_until(run, lambda: any(folder.glob("*.staging-*")))
            seconds /= 2
        try:
            run.wait(chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
        code = wait(run, MOST_SECONDS)
    assert code in (0, -signal.SIGKILL), f"ended with {code}:\n{said(folder)}"
    return code != 0


def _wait_until(run: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    while run.poll() is None and not condition():
        time.sleep(0.005)


def _check(folder: Path, before: Tables, after: Tables) -> None:
    tables = left(folder)
    assert same(before, tables) or same(after, tables), "tables are neither as before nor as after"


def _check_next(folder: Path, arguments: Sequence[str], after: Tables) -> None:
    succeeded(folder, *arguments)
    assert same(after, left(folder)), f"the run after a kill ends in other tables\n{said(folder)}"
