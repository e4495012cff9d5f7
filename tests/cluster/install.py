"""Puts Flink and Beam's job server for it into `.cluster`: `python -m tests.cluster.install`.

Maven fetches and packs them; it and Java 17 must be there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".cluster"
JAR: Final = HOME / "flink.jar"
_POM: Final = Path(__file__).with_name("pom.xml")
_READY: Final = HOME / ".ready"
_TOOLS: Final = ("java", "mvn")


def missing() -> str | None:
    """Why the cluster can't be started; None if it can."""
    if not _READY.exists() or _READY.read_text() != _POM.read_text():
        return "Flink is not installed (make test-cluster installs it)"
    if shutil.which("java") is None:
        return "Flink needs Java: put java, version 17, on the PATH"
    return None


def install() -> None:
    """Install what is missing."""
    if missing() is None:
        return
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        sys.exit(f"Flink needs {' and '.join(absent)} on the PATH (Java 17 and Maven 3)")
    print(f"Setting up {HOME.name}: a minute, this once", flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    command = ["mvn", "-B", "-q", "-f", str(_POM), f"-Dfolder={HOME / 'built'}", "package"]
    subprocess.run(command, check=True)
    shutil.move(HOME / "built" / "flink.jar", JAR)
    shutil.rmtree(HOME / "built")
    _READY.write_text(_POM.read_text())


if __name__ == "__main__":
    install()
