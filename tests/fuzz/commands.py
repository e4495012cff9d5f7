"""Runs of the command in processes of their own, and what they leave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from tests.fuzz.watch import wait
from tests.support.runs import contents, process_environment

Tables = dict[str, pa.Table]
# None of them takes a tenth of this in CPU, or stands still for as long.
MOST_SECONDS = 300


def started(
    folder: Path, arguments: Sequence[str], before: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """The command, begun in a folder; what it prints goes to `said` there.

    `before` may name a program that runs it.
    """
    with (folder / "said").open("wb") as said:
        return subprocess.Popen(
            [*before, sys.executable, "-m", "pipeline", *arguments],
            cwd=folder,
            env=process_environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def said(folder: Path) -> str:
    """What the last command printed."""
    return (folder / "said").read_text(errors="replace")


def succeeded(folder: Path, *arguments: str) -> None:
    """Run the command to its end; raises AssertionError if it fails."""
    code = wait(started(folder, arguments), MOST_SECONDS)
    assert code == 0, f"{' '.join(arguments)} ended with {code}:\n{said(folder)}"


def same(one: Tables, other: Tables) -> bool:
    """Whether all tables are equal, times of writing aside."""
    return all(one[name].equals(other[name]) for name in other)


def left(folder: Path, name: str = "growth.duckdb") -> Tables:
    """The tables of a warehouse."""
    return contents(folder / name)


def check_clean(folder: Path, expected: set[str]) -> None:
    """Raise AssertionError if a run left anything beside the files of its folder."""
    names = {path.name for path in folder.iterdir()} - {"said"}
    assert names == expected, f"left in the folder: {sorted(names - expected)}"
