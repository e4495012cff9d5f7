"""Paths on this machine as people type them."""

from __future__ import annotations

import os
import shlex
import sys


def from_home(path: str) -> str:
    """A path with ~ or ~name, at its beginning, in place of which a shell puts a home folder.

    Shells leave it alone in quotes, which globs need, and behind --option=.
    """
    return os.path.expanduser(path) if path.startswith("~") and not os.path.lexists(path) else path


def shown(path: str) -> str:
    """A path as a person types it here: relative where it lies below this folder."""
    try:
        relative = os.path.relpath(path)
    except OSError:  # This folder is gone.
        return path
    return path if relative.startswith("..") else relative


def typed_command(command: str, warehouse: str) -> str:
    """What a person types here for a command over a warehouse.

    Args:
        command: its name.
        warehouse: the URL.
    """
    return f"{typed_program()} {command} --warehouse {shlex.quote(warehouse)}"


def typed_program() -> str:
    """What a person types here for `python -m pipeline`: with the Python that has its packages."""
    return f"{shlex.quote(shown(sys.executable))} -m pipeline"
