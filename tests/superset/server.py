"""A Superset of its own on loopback, with nothing in it but an administrator."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import requests

from tests.superset.install import BIN

USER: Final = "admin"
PASSWORD: Final = "admin"
# Beyond anything that a busy machine needs: what takes longer hangs.
PATIENCE_SECONDS: Final = 600
_CONFIGURATION: Final = """
SECRET_KEY = "of a server on loopback that is gone with its test"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db?check_same_thread=false"
# Superset refuses databases that are files unless this is said.
PREVENT_UNSAFE_DB_CONNECTIONS = False
TALISMAN_ENABLED = False
WTF_CSRF_ENABLED = False
# The tests log in once, however long they take.
JWT_ACCESS_TOKEN_EXPIRES = False
"""


@dataclass(frozen=True)
class Superset:
    """A server that runs.

    Attributes:
        url: where it listens.
        folder: what it keeps.
    """

    url: str
    folder: Path

    def import_dashboards(self, bundle: Path) -> None:
        """What docs/report.md has for a bundle."""
        run(self.folder, "import-dashboards", "--path", str(bundle), "--username", USER)

    @cached_property
    def session(self) -> requests.Session:
        """For its REST API, logged in."""
        session = requests.Session()
        asked = {"username": USER, "password": PASSWORD, "provider": "db"}
        answer = session.post(
            f"{self.url}/api/v1/security/login", json=asked, timeout=PATIENCE_SECONDS
        )
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def all_of(self, kind: str) -> list[dict[str, Any]]:
        """All charts, datasets or dashboards, as its lists have them."""
        url = f"{self.url}/api/v1/{kind}/?q=(page_size:100)"
        answer = self.session.get(url, timeout=PATIENCE_SECONDS)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["result"]
        return found


@contextmanager
def running(folder: Path) -> Iterator[Superset]:
    """Start a server that keeps what it has in a folder; it ends with the context."""
    configuration = folder / "superset_config.py"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    run(folder, "db", "upgrade")
    name = ("--firstname", "Ann", "--lastname", "Lee", "--email", "ann@example.com")
    run(folder, "fab", "create-admin", "--username", USER, "--password", PASSWORD, *name)
    run(folder, "init")
    command = (str(BIN / "gunicorn"), "--threads", "8", "--bind", "127.0.0.1:0")
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "superset.app:create_app()"],
            env=_environment(folder),
            stdout=log,
            stderr=log,
        )
    try:
        yield Superset(_address(folder / "server.log", server), folder)
    finally:
        server.terminate()
        server.wait()


def run(folder: Path, *arguments: str) -> None:
    """Run one of Superset's commands.

    Raises:
        RuntimeError: with what it printed, if it fails.
    """
    ended = subprocess.run(
        [BIN / "superset", *arguments],
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"superset {arguments[0]} failed: {ended.stderr[-3_000:]}")


def _environment(folder: Path) -> dict[str, str]:
    own = {
        "HOME": str(folder),
        "SUPERSET_HOME": str(folder),
        "SUPERSET_CONFIG_PATH": str(folder / "superset_config.py"),
        "FLASK_APP": "superset",
    }
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | own


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Where a server listens, as soon as it answers."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and server.poll() is None:
        listening = re.search(r"Listening at: (http://\S+)", log.read_text())
        if listening and _answers(listening[1]):
            return listening[1]
        time.sleep(0.1)
    raise RuntimeError(f"Superset does not answer: {log.read_text()[-3_000:]}")


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.RequestException:
        return False
