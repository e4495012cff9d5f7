"""Files that are written whole or not at all: whoever has one open sees no half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pipeline.errors import RunError


def write_whole(path: str, content: bytes) -> None:
    """Write a file on this machine, in place of the one that is there.

    Raises:
        RunError: if it can't be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            file.write(content)
        try:
            os.chmod(file.name, 0o666 & ~_umask())
            os.replace(file.name, target)
        except OSError:
            os.unlink(file.name)
            raise
    except OSError as error:
        raise RunError(f"can't write {path}: {error.strerror}: name another --output") from error


def _umask() -> int:
    """What a new file's mode leaves out; it can be read by setting it alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
