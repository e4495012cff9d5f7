"""Errors that end a run with one clear line, and how to find them in what a runner raises."""

from __future__ import annotations

import errno
import re
from typing import Final

from pipeline.terminal import printable
from transforms.data_error import DataError

NO_CREDENTIALS: Final = (
    "no Google Cloud credentials are found: run `gcloud auth application-default login`, or let "
    "GOOGLE_APPLICATION_CREDENTIALS name a service account's key file, and run again"
)


class OptionError(Exception):
    """An option that can't be used; the message names it and says what to do. Exit code 2."""


class RunError(Exception):
    """A run that failed; the message says why. Exit code 1."""


# Runners hand over a worker's exception as text, with the step's label behind the message.
_LABEL: Final = re.compile(r" \[while running '[^']*'\]")
_RAISED: Final = re.compile(
    rf"\b(?:{DataError.__name__}|{RunError.__name__}): (.*?)(?: \[while running '[^']*'\]|$)",
    re.DOTALL | re.MULTILINE,
)
# Python's own, NumPy's, Arrow's and DuckDB's; the system's for threads and files.
_NO_MEMORY: Final = re.compile(
    r"^(?:\w+\.)*(?:\w*MemoryError\b|OutOfMemoryException\b"
    rf"|RuntimeError: can't start new thread|OSError: \[Errno {errno.ENOMEM}\])",
    re.MULTILINE,
)
_TOO_LITTLE_MEMORY: Final = (
    "there is too little memory, or ulimit allows too little: end other programs, take a machine "
    "with more, or let fewer users be held at a time (--user_shards), and run again"
)


def clear_message(error: BaseException) -> str | None:
    """The line of a DataError or RunError, or of too little memory, behind what a runner raised,
    and the notes of what was raised; None without one.

    It may quote data, and is made `printable`.
    """
    message = _message(error)
    if message is None:
        return None
    return ". ".join([message, *map(printable, getattr(error, "__notes__", ()))])


def is_data_error(error: BaseException) -> bool:
    """Whether it is a DataError, or a runner's error around one."""
    found = _RAISED.findall(str(error))
    return isinstance(error, DataError) or bool(
        found and f"{DataError.__name__}: {found[-1]}" in str(error)
    )


def _message(error: BaseException) -> str | None:
    if isinstance(error, DataError | RunError):
        return printable(_LABEL.sub("", str(error)))
    found = _RAISED.findall(str(error))
    if found:
        return printable(found[-1].strip())
    if _NO_MEMORY.search(f"{type(error).__name__}: {error}"):
        return _TOO_LITTLE_MEMORY
    return None
