"""Installs Superset, and what drives a browser: `python -m tests.superset.install`.

Superset lives in `.superset`, an environment of its own: it needs other versions of NumPy, pandas
and SQLAlchemy than the pipeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.browser import install as browser
from tests.support import environments

HOME: Final = Path(__file__).parents[2] / ".superset"
BIN: Final = HOME / "bin"
_LOCK: Final = Path(__file__).with_name("requirements.lock")


def missing() -> str | None:
    """Why no Superset can be looked at; None if one can."""
    if not environments.is_ready(HOME, _LOCK):
        return "Superset is not installed (make test-superset installs it)"
    return browser.missing()


def install() -> None:
    """Install what is missing; without root Chromium stays away, and the tests say so."""
    browser.install()
    if not environments.is_ready(HOME, _LOCK):
        environments.make(HOME, _LOCK, "two minutes")


if __name__ == "__main__":
    install()
