"""Installs the emulators of BigQuery and Cloud Storage, the oldest DuckDB that is to open our
files, the schedulers that run the examples, and Beam's portable runner:
`python -m tests.emulators.install`.

They live in `.emulators`, an environment of their own: they need Python 3.13 and other versions of
DuckDB and Arrow than the pipeline. Airflow and Dagster have one below it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.support import environments

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".emulators"
BIN: Final = HOME / "bin"
_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_LOCK: Final = _REQUIREMENTS.with_suffix(".lock")
_READY: Final = HOME / ".ready"
# For PYTHONPATH, before the DuckDB of the environment.
OLD_DUCKDB: Final = HOME / "duckdb-1.4"
_OLD_DUCKDB_LOCK: Final = Path(__file__).with_name("duckdb_1.lock")
SCHEDULERS: Final = HOME / "schedulers"
_SCHEDULERS_LOCK: Final = Path(__file__).with_name("schedulers.lock")
_PIP: Final = (str(BIN / "python"), *environments.INSTALL)
# Beam's portable runner, of the version that is installed.
PRISM: Final = BIN / f"prism-{version('apache-beam')}"
# Also where Go's own archive puts it.
_GO: Final = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
_PRISM_SOURCE: Final = "github.com/apache/beam/sdks/v2/go/cmd/prism"
_EXTENSIONS: Final = ("icu", "ducklake", "spatial", "httpfs")

# For the environment's own Python: DuckDB takes extensions from its home, not from site-packages.
_INSTALL_EXTENSIONS: Final = """
import importlib.resources, sys, duckdb
for name in sys.argv[1:]:
    folder = importlib.resources.files(f"duckdb_extension_{name}")
    (found,) = folder.rglob("*.duckdb_extension")
    duckdb.execute(f"INSTALL '{found}'")
"""


def missing() -> str | None:
    """Why the emulators can't be used as they are; None if they can."""
    if not _READY.exists() or _READY.read_text() != _REQUIREMENTS.read_text():
        return "the emulators are not installed (make test-emulators installs them)"
    return None


def missing_old_duckdb() -> str | None:
    """Why the old DuckDB can't be used; None if it can."""
    if missing() is not None or not (OLD_DUCKDB / "duckdb").is_dir():
        return "DuckDB 1.4 is not installed (make test-emulators installs it)"
    return None


def missing_schedulers() -> str | None:
    """Why the schedulers can't be used as they are; None if they can."""
    if missing() is None and environments.is_ready(SCHEDULERS, _SCHEDULERS_LOCK):
        return None
    return "Airflow and Dagster are not installed (make test-emulators installs them)"


def missing_prism() -> str | None:
    """Why Beam's portable runner can't be used; None if it can."""
    if PRISM.exists():
        return None
    return "Prism is not built (make test-emulators builds it, where Go is installed)"


def environment() -> dict[str, str]:
    """The environment of the emulators' processes: DuckDB finds its extensions in HOME."""
    return {**os.environ, "HOME": str(HOME)}


def install() -> None:
    """Install what is missing."""
    if missing() is not None:
        _install_emulators()
    if missing_old_duckdb() is not None:
        shutil.rmtree(OLD_DUCKDB, ignore_errors=True)
        _run(*_PIP, "--target", str(OLD_DUCKDB), "-r", str(_OLD_DUCKDB_LOCK))
    if missing_schedulers() is not None:
        environments.make(SCHEDULERS, _SCHEDULERS_LOCK, "a minute", environment())
    if missing_prism() is not None and _GO is not None:
        _build_prism(_GO)


def _install_emulators() -> None:
    python = next((path for path in _candidates() if _is_fit(path)), None)
    if python is None:
        sys.exit(
            "The BigQuery emulator needs Python 3.13: put python3.13 on the PATH, or let "
            "EMULATORS_PYTHON name it"
        )
    print(f"Setting up {HOME.name}: a minute, this once", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    _run(python, "-m", "venv", str(HOME))
    _run(*_PIP, "--requirement", str(_LOCK))
    _run(str(BIN / "python"), "-c", _INSTALL_EXTENSIONS, *_EXTENSIONS)
    _READY.write_text(_REQUIREMENTS.read_text())


def _build_prism(go: str) -> None:
    print(f"Building {PRISM.relative_to(ROOT)}: some minutes, this once", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        # What it is built of is close to a gigabyte.
        places = {"GOPATH": folder, "GOCACHE": f"{folder}/cache", "GOBIN": f"{folder}/bin"}
        writable = {"GOFLAGS": "-modcacherw", "CGO_ENABLED": "0"}
        subprocess.run(
            [go, "install", f"{_PRISM_SOURCE}@v{version('apache-beam')}"],
            env={**os.environ, **places, **writable},
            check=True,
        )
        shutil.move(f"{folder}/bin/prism", PRISM)


def _candidates() -> Iterator[str]:
    found = shutil.which("python3.13")
    yield from filter(None, [os.environ.get("EMULATORS_PYTHON"), found])
    # pyenv puts a shim on the PATH that works for the versions that are switched on.
    if found:
        yield from map(str, Path(found).parents[1].glob("versions/3.13*/bin/python3.13"))


def _is_fit(python: str) -> bool:
    check = "import sys; sys.exit(sys.version_info[:2] != (3, 13))"
    run = subprocess.run([python, "-c", check], capture_output=True, check=False)
    return run.returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, env=environment(), check=True)


if __name__ == "__main__":
    install()
