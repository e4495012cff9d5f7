"""The fuzzing campaign's own machinery: what fails, crashes or hangs is reported and counted."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fuzz.attack import Attack
from tests.fuzz.campaign import Campaign, Score, table
from tests.fuzz.registry import ATTACKS
from tests.fuzz.turn import run_case, take_turn
from tests.fuzz.watch import Watch, cpu_seconds, wait
from tests.support.repository import ROOT
from tests.support.thorough import some

# Takes the place of a turn: the cases of one attack all end alike.
TURN = """
import json, os, sys, time
name, seed = sys.argv[1], int(sys.argv[2])
def print_error(**note):
    print(json.dumps({"seed": seed, **note}), flush=True)
print_error()
if name == "crashes":
    print("it broke", file=sys.stderr, flush=True)
    os.abort()
if name == "hangs":
    time.sleep(3600)
print_error(tried=7, **({"failure": "other tables"} if name == "fails" else {}))
"""


def command(attack: Attack, seed: int, seconds: float) -> Sequence[str]:
    return [sys.executable, "-c", TURN, attack.name, str(seed)]


def attack(name: str) -> Attack:
    return Attack(name, lambda chance, folder: 1, "cases", 1_000)


def campaign(names: Sequence[str], stuck_seconds: float = 600) -> tuple[list[str], list[Score]]:
    said: list[str] = []
    runs = Campaign(3, 0.0, 2, said.append, command, stuck_seconds)
    return said, runs.run([attack(name) for name in names])


def test_each_attack_has_a_turn_and_what_fails_or_crashes_is_reported_with_its_seed() -> None:
    said, scores = campaign(["passes", "fails", "crashes"])
    assert [score.failed for score in scores] == [[], [3_000_000], [3_000_000]]
    assert [score.tried for score in scores] == [7, 7, 0]
    (crashed,) = [text for text in said if "--attack crashes --case 3000000'" in text]
    assert "it broke" in crashed
    (failed,) = [text for text in said if "--attack fails --case 3000000'" in text]
    assert "other tables" in failed
    assert len(table(scores).splitlines()) == 4


def test_a_case_that_hangs_is_ended_and_fails() -> None:
    _, (score,) = campaign(["hangs"], stuck_seconds=1)
    assert score.failed == [3_000_000]


def test_a_process_hangs_that_uses_no_cpu_or_too_much_however_long_it_takes() -> None:
    def looks(*used: float) -> list[bool]:
        readings = iter([10.0, *used])
        watch = Watch(1, 3.0, lambda _: next(readings))
        return [watch.is_stuck() for _ in used]

    assert looks(10, 10, 10.01, 10.01, 10.01, 10.02) == [False] * 6
    assert looks(10, 10, 10) == [False, False, True]
    assert looks(*(10 + look * 0.01 for look in range(1, 299))) == [False] * 298
    assert looks(12.9, 13) == [False, True]
    readings = iter([10.0, 12.9, 12.9, 13.5, 16.0])
    watch = Watch(1, 3.0, lambda _: next(readings))
    assert not watch.is_stuck()
    watch.begin_again()
    assert [watch.is_stuck() for _ in range(2)] == [False, True]


def test_the_cpu_of_what_a_process_starts_counts_with_it() -> None:
    spend = "import time\nwhile time.process_time() < 0.2: pass\n"
    both = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spend!r}])\ninput()"
    with subprocess.Popen([sys.executable, "-c", both], stdin=subprocess.PIPE) as process:
        while cpu_seconds(process.pid) < 0.2:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with pytest.raises(AssertionError, match="hangs"):
            wait(process, 1)
        assert process.returncode == -signal.SIGKILL or process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", some([signal.SIGINT, signal.SIGTERM], 1))
def test_a_campaign_that_a_signal_ends_prints_its_sum(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seed", "9", "--jobs", "1"]
    attack = ["--attack", "csv_records"]
    with subprocess.Popen(
        [*command, *attack], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Seed 9, 3600 seconds")
        process.send_signal(number)
        said = process.stdout.read().splitlines()
    assert process.returncode == 128 + number
    assert said[1] == "Seed 9"
    assert said[3].startswith("csv_records ")
    assert said[5].startswith(f"Ended by {number.name} after ")
    assert said[7] == "Nothing failed."


def test_a_case_is_the_same_for_its_seed_and_begins_in_an_empty_folder() -> None:
    drawn: list[float] = []

    def case(chance: random.Random, folder: Path) -> int:
        assert list(folder.iterdir()) == []
        (folder / "file").touch()
        drawn.append(chance.random())
        return 5

    for seed in (1, 2, 1):
        assert run_case(Attack("draws", case, "cases", 1), seed) == {"tried": 5}
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_turn_tells_each_case_before_and_after() -> None:
    def case(chance: random.Random, folder: Path) -> int:
        assert folder.is_dir()
        raise ValueError("no tables")

    notes: list[dict[str, object]] = []
    take_turn(Attack("breaks", case, "cases", 1), 8, 0.0, notes.append)
    assert notes[0] == {"seed": 8}
    assert (notes[1]["seed"], notes[1]["tried"]) == (8, 1)
    assert "no tables" in str(notes[1]["failure"])
    assert len(notes) == 2


@pytest.mark.parametrize("name", ["csv_records", "messages", "event_ids"])
def test_the_attacks_on_kernels_find_nothing_in_a_case(name: str) -> None:
    assert "failure" not in run_case(ATTACKS[name], 1)
