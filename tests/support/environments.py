"""Environments beside the project's own, for what tests look at from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

INSTALL: Final = (
    *("-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
    *("--no-deps", "--require-hashes"),
)


def is_ready(home: Path, lock: Path) -> bool:
    """Whether a folder holds what a lock says."""
    ready = home / ".ready"
    return ready.exists() and ready.read_text() == lock.read_text()


def make_ready(home: Path, lock: Path) -> None:
    """Note that a folder holds what a lock says."""
    (home / ".ready").write_text(lock.read_text())


def make(home: Path, lock: Path, takes: str, environment: Mapping[str, str] = os.environ) -> None:
    """Make a virtual environment of what a lock pins.

    Args:
        home: its folder; what is there goes.
        lock: versions with hashes.
        takes: how long that takes, in words.
        environment: of pip.

    Raises:
        CalledProcessError: if it can't be made; the reason is on stderr.
    """
    print(f"Setting up {home.name}: {takes}, this once", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    for words in (
        (sys.executable, "-m", "venv", str(home)),
        (str(home / "bin" / "python"), *INSTALL, "--requirement", str(lock)),
    ):
        subprocess.run(words, env=environment, check=True)
    make_ready(home, lock)
