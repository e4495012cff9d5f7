"""Pins all that the image holds: python -m templates.lock writes templates/image.txt anew.

It installs the package into a fresh environment, which takes two minutes, and notes what is there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from templates.settings import ROOT

LOCK: Final = ROOT / "templates" / "image.txt"
_HEAD: Final = (
    "# All that the image holds, pinned: python -m templates.lock writes it anew from setup.py.\n"
)


def pinned(python: Path) -> str:
    """What an environment holds beside the package itself, as the lock file has it."""
    command = [str(python), "-m", "pip", "freeze", "--disable-pip-version-check"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kept = [line for line in found.splitlines() if "==" in line]
    return _HEAD + "".join(f"{line}\n" for line in kept if not line.startswith("growth-pipeline"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "bin", "python")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
        LOCK.write_text(pinned(python))
