"""Pins all that is installed, with hashes: `make lock` rewrites the locks.

`requirements.lock` is what `make` installs for running, tests and lint; `templates/image.txt` is
the part of it that the image holds, so that tests run what workers run. The emulators, and the
schedulers that run the examples, have environments and locks of their own, in tests/emulators;
so have what drives a browser, in tests/browser, and Superset, in tests/superset.
A version stays as it is locked unless requirements.txt or pyproject.toml says otherwise, or
UPGRADE=1 asks for the newest ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from templates.settings import ROOT

REQUIREMENTS: Final = ROOT / "requirements.txt"
PROJECT: Final = ROOT / "pyproject.toml"
LOCK: Final = ROOT / "requirements.lock"
IMAGE_LOCK: Final = ROOT / "templates" / "image.txt"
EMULATORS: Final = ROOT / "tests" / "emulators" / "requirements.txt"
EMULATORS_LOCK: Final = EMULATORS.with_suffix(".lock")
OLD_DUCKDB: Final = EMULATORS.with_name("duckdb_1.txt")
OLD_DUCKDB_LOCK: Final = OLD_DUCKDB.with_suffix(".lock")
SCHEDULERS: Final = EMULATORS.with_name("schedulers.txt")
SCHEDULERS_LOCK: Final = SCHEDULERS.with_suffix(".lock")
BROWSER: Final = ROOT / "tests" / "browser" / "requirements.txt"
BROWSER_LOCK: Final = BROWSER.with_suffix(".lock")
SUPERSET: Final = ROOT / "tests" / "superset" / "requirements.txt"
SUPERSET_LOCK: Final = SUPERSET.with_suffix(".lock")
# Builds the package in the image, where pip may fetch nothing that has no hash.
BUILD_BACKEND: Final = "setuptools"
_PYTHON: Final = "3.11"
_EMULATORS_PYTHON: Final = "3.13"
_WORKERS: Final = "x86_64-manylinux_2_28"
_PIN: Final = re.compile(r"^[A-Za-z0-9][^\\\n#]*==[^\\\n#]*", re.MULTILINE)


def pins(text: str) -> Mapping[str, str]:
    """The versions that a lock or a requirements file pins for this machine, by normalised name."""
    found = map(Requirement, _PIN.findall(text))
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in found
        if pin.marker is None or pin.marker.evaluate()
    }


def installed(python: Path) -> Mapping[str, str]:
    """The versions of what an environment holds beside pip and the package itself."""
    command = [str(python), "-m", "pip", "freeze", "--all", "--disable-pip-version-check"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    own = ("pip", "growth-pipeline")
    return {name: version for name, version in pins(found).items() if name not in own}


def for_tests() -> list[str]:
    """What tests and lint need beside requirements.txt, as pyproject.toml pins it."""
    group: list[str] = tomllib.loads(PROJECT.read_text())["dependency-groups"]["dev"]
    return group


def for_workers() -> str:
    """What the image needs: requirements.txt, and what builds the package there."""
    backend = [line for line in for_tests() if line.startswith(f"{BUILD_BACKEND}==")]
    return "\n".join([REQUIREMENTS.read_text(), *backend])


def compile_lock(source: Path, target: Path, *options: str, python: str = _PYTHON) -> None:
    """Resolve requirements into a lock with hashes; what it pinned before stays where it can.

    Raises:
        CalledProcessError: if they can't be resolved; the reason is on stderr.
    """
    upgrade = ["--upgrade"] if os.environ.get("UPGRADE", "") not in ("", "0") else []
    header = "# Written by `make lock` from requirements.txt: every version, with its hashes.\n"
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", str(source)),
        *(f"--python-version={python}", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", f"--output-file={target}", *options, *upgrade),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    target.write_text(header + target.read_text())


def main() -> None:
    """Write all locks."""
    compile_lock(REQUIREMENTS, LOCK, "--universal", f"--group={PROJECT}:dev")
    # It pins all of them itself, against what one of them asks for.
    compile_lock(EMULATORS, EMULATORS_LOCK, "--no-deps", python=_EMULATORS_PYTHON)
    compile_lock(OLD_DUCKDB, OLD_DUCKDB_LOCK, "--no-deps", python=_EMULATORS_PYTHON)
    compile_lock(SCHEDULERS, SCHEDULERS_LOCK)
    compile_lock(BROWSER, BROWSER_LOCK)
    compile_lock(SUPERSET, SUPERSET_LOCK)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "workers.txt")
        source.write_text(for_workers())
        compile_lock(source, IMAGE_LOCK, f"--python-platform={_WORKERS}", f"--constraint={LOCK}")


if __name__ == "__main__":
    main()
