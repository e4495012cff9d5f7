"""Installs what the tests in a browser need: `python -m tests.browser.install`.

Playwright's Python part lies in `.browser`, pinned; of Playwright's own browsers none is fetched.
Chromium is Debian's, which root can install.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.environments import is_ready, make_ready

HOME: Final = Path(__file__).parents[2] / ".browser"
_LOCK: Final = Path(__file__).with_name("requirements.lock")
_CHROMIUM: Final = ("chromium", "google-chrome")


def chromium() -> str | None:
    """The path of Chromium on this machine; None where it is not installed."""
    return next(filter(None, map(shutil.which, _CHROMIUM)), None)


def missing() -> str | None:
    """Why a browser can't be driven from here; None if it can."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed (make test-browser installs it)"
    if chromium() is None:
        return "Chromium is not installed (as root on Debian: apt-get install chromium)"
    return None


def install() -> None:
    """Install what is missing; without root Chromium stays away, and the tests say so."""
    if not is_ready(HOME, _LOCK):
        shutil.rmtree(HOME, ignore_errors=True)
        _run(
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(HOME)),
            *("--no-deps", "--require-hashes", "--requirement", str(_LOCK)),
        )
        make_ready(HOME, _LOCK)
    if chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Debian's chromium: a minute, this once", flush=True)
        _run("apt-get", "update", "--quiet")
        _run("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "chromium")


def _run(*command: str) -> None:
    subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=True)


if __name__ == "__main__":
    install()
