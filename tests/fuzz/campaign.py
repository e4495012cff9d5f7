"""A campaign: turns of all attacks, until the time is over; least time so far goes first."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, Final

from tests.fuzz.attack import Attack
from tests.fuzz.watch import LOOK_SECONDS, Watch

# A process takes two seconds to begin; a crash costs what is left of its turn.
TURN_SECONDS: Final = 40.0
# No case takes a tenth of this in CPU, or stands still for as long: whatever does is stuck.
STUCK_SECONDS: Final = 600.0
# Seeds of one campaign do not meet those of the next.
_SEEDS: Final = 1_000_000

Say = Callable[[str], None]
Command = Callable[[Attack, int, float], Sequence[str]]


@dataclass
class Score:
    """What became of an attack so far."""

    attack: Attack
    next_seed: int
    seconds: float = 0.0
    tried: int = 0
    failed: list[int] = field(default_factory=list)


def turn_command(attack: Attack, seed: int, seconds: float) -> Sequence[str]:
    """The command of a turn."""
    return [sys.executable, "-m", "tests.fuzz.turn", attack.name, str(seed), str(seconds)]


@dataclass
class Campaign:
    """A campaign over some attacks.

    Attributes:
        seed: cases are the same for the same seed, as far as no clock is in them.
        seconds: for all of it; the last cases are waited for.
        jobs: how many turns at once.
        say: where to tell what happens.
        command: what takes a turn.
        stuck_seconds: of CPU, or of none, after which a case counts as one that hangs.
    """

    seed: int
    seconds: float
    jobs: int
    say: Say = print
    command: Command = turn_command
    stuck_seconds: float = STUCK_SECONDS
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)
    # Of the turns at work, each of a process group of its own.
    _groups: set[int] = field(default_factory=set, init=False)

    def stop(self) -> None:
        """End the campaign now: the cases at work are killed, and neither count nor fail.

        A signal's handler may call it.
        """
        self._stopped.set()
        for group in tuple(self._groups):
            _kill(group)

    def run(self, attacks: Iterable[Attack]) -> list[Score]:
        """Attack until the time is over, by each attack once at least, or until `stop`.

        Returns:
            Their scores.
        """
        scores = [Score(attack, self.seed * _SEEDS) for attack in attacks]
        end = time.monotonic() + self.seconds
        at_work: dict[Future[None], Score] = {}
        with ThreadPoolExecutor(self.jobs) as pool:
            while True:
                left = end - time.monotonic()
                due = [
                    score
                    for score in scores
                    if score not in at_work.values() and (left > 0 or not score.seconds)
                ]
                if self._stopped.is_set():
                    due = []
                if due and len(at_work) < self.jobs:
                    score = min(due, key=lambda one: one.seconds)
                    turn = pool.submit(self._turn, score, max(0.0, min(TURN_SECONDS, left)))
                    at_work[turn] = score
                    continue
                if not at_work:
                    return scores
                # Not for long: of a signal that comes just before, Python hears afterwards.
                done, _ = wait(at_work, LOOK_SECONDS, FIRST_COMPLETED)
                for turn in done:
                    del at_work[turn]
                    turn.result()

    def _turn(self, score: Score, seconds: float) -> None:
        """One turn of an attack in a process of its own."""
        begin = time.monotonic()
        under_way: int | None = None
        with (
            tempfile.TemporaryFile() as log,
            # What a turn that is killed leaves goes with it.
            tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder,
        ):
            with subprocess.Popen(
                self.command(score.attack, score.next_seed, seconds),
                env={**os.environ, "TMPDIR": folder},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            ) as process:
                self._groups.add(process.pid)
                if self._stopped.is_set():
                    _kill(process.pid)
                for note in self._notes(process):
                    score.next_seed = note["seed"] + 1
                    under_way = None if "tried" in note else note["seed"]
                    score.tried += note.get("tried", 0)
                    if "failure" in note:
                        self._fail(score, note["seed"], note["failure"])
                # Before it is waited for: later its number may be another's.
                self._groups.discard(process.pid)
            if (under_way is not None or process.returncode) and not self._stopped.is_set():
                seed = score.next_seed if under_way is None else under_way
                score.next_seed = seed + 1
                self._fail(score, seed, _ending(process.returncode, log))
        score.seconds += time.monotonic() - begin

    def _notes(self, process: subprocess.Popen[str]) -> Iterable[dict[str, Any]]:
        """What a turn tells, until it ends; it is killed where it hangs in a case."""
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        watch = Watch(process.pid, self.stuck_seconds)
        while True:
            try:
                line = lines.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if watch.is_stuck():
                    _kill(process.pid)
                    return
                continue
            if line is None:
                return
            yield json.loads(line)
            watch.begin_again()

    def _fail(self, score: Score, seed: int, why: str) -> None:
        score.failed.append(seed)
        self.say(f"FAILED: {again(score.attack, seed)}\n{_indented(why)}")


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def again(attack: Attack, seed: int) -> str:
    """The command that runs a case again."""
    return f"make fuzz FUZZ_ARGS='--attack {attack.name} --case {seed}'"


def _ending(returncode: int, log: IO[bytes]) -> str:
    log.seek(0)
    output = log.read().decode(errors="replace")[-4_000:]
    return f"its process ended with {returncode}, or was stuck and killed\n{output}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-60:])


def table(scores: Sequence[Score]) -> str:
    """The campaign's outcome, a line for each attack."""
    lines = [
        f"{'attack':16} {'tried':>11} {'':12} {'whole length':>12} {'seconds':>8} {'failed':>7}"
    ]
    lines += [
        f"{score.attack.name:16} {score.tried:>11,} {score.attack.unit:12} "
        f"{score.attack.length:>12,} {score.seconds:>8,.0f} {len(score.failed):>7,}"
        for score in scores
    ]
    return "\n".join(lines)
