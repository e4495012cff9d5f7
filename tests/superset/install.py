"""Installs Superset, and what drives a browser: `python -m tests.superset.install`.

Superset lives in `.superset`, an environment of its own: it needs other versions of NumPy, pandas
and SQLAlchemy than the pipeline.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.browser import install as browser

HOME: Final = Path(__file__).parents[2] / ".superset"
BIN: Final = HOME / "bin"
_LOCK: Final = Path(__file__).with_name("requirements.lock")
_READY: Final = HOME / ".ready"


def missing() -> str | None:
    """Why no Superset can be looked at; None if one can."""
    if not _READY.exists() or _READY.read_text() != _LOCK.read_text():
        return "Superset is not installed (make test-superset installs it)"
    return browser.missing()


def install() -> None:
    """Install what is missing; without root Chromium stays away, and the tests say so."""
    browser.install()
    if _READY.exists() and _READY.read_text() == _LOCK.read_text():
        return
    print(f"Setting up {HOME.name}: two minutes, this once", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(HOME))
    _run(
        *(str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--requirement", str(_LOCK)),
    )
    _READY.write_text(_LOCK.read_text())


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    install()
