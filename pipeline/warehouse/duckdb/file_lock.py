"""The lock file beside a database: one run at a time, until it ends, however it does."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import OptionError, RunError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file beside a database.

    Raises:
        OptionError: if it can't be made, or is no file of ours.
        RunError: if another run holds it.
    """
    lock = path.with_name(f"{path.name}.lock")
    while True:
        held = _opened(lock)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise RunError(
                f"another run is writing to {path}: wait until it ends. If that is a stream, stop "
                "it (Ctrl-C or SIGTERM), run this, and start the stream again: it goes on from the "
                "tables"
            ) from None
        # A run that ends removes the file: a lock on the removed one keeps nobody out.
        if os.path.lexists(lock) and lock.lstat().st_ino == os.fstat(held).st_ino:
            break
        os.close(held)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(held)


def _opened(lock: Path) -> int:
    """The lock file, made where it is missing; a file that is no lock is left as it is."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        held = os.open(lock, flags, 0o600)
    except OSError as error:
        what = "is a symbolic link" if lock.is_symlink() else f"can't be written ({error.strerror})"
        raise OptionError(
            f"--warehouse: {lock}, which keeps a second run out, {what}: remove it"
        ) from error
    found = os.fstat(held)
    if not stat.S_ISREG(found.st_mode) or found.st_size:
        os.close(held)
        raise OptionError(
            f"--warehouse: {lock}, which is to keep a second run out, is something else: a lock "
            "is an empty file; move it away"
        )
    return held
