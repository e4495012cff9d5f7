"""Folders of staged files on this machine, and those that runs left behind which were killed."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pipeline.errors import OptionError

# Stands in each folder, and says of which warehouse it is: others are nobody's to remove.
MARKER: Final = ".growth-staging"
# A file's name may have 255 bytes.
_SHOWN: Final = 100


@contextmanager
def staging_folder(warehouse: str, root: Path) -> Iterator[str]:
    """An empty folder for a run's staged files, removed at the end; the run holds the lock.

    What killed runs into the same warehouse left behind below `root` is removed first.

    Args:
        warehouse: its location.
        root: below which folder.

    Raises:
        OptionError: if it can't be made.
    """
    # By the whole path: files of one name in two folders may stage below one root.
    digest = hashlib.blake2b(os.fsencode(warehouse), digest_size=6).hexdigest()
    shown = os.fsdecode(os.fsencode(Path(warehouse).name)[:_SHOWN])
    prefix = f"{shown}.staging-{digest}-"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _clear(root, prefix, warehouse)
        folder = tempfile.mkdtemp(prefix=prefix, dir=root)
        Path(folder, MARKER).write_bytes(os.fsencode(warehouse))
    except OSError as error:
        raise OptionError(
            f"can't stage files below {root} ({error.strerror}): see that you may write there, or "
            "name another folder with --temp_location"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(root: Path, prefix: str, warehouse: str) -> None:
    for leftover in root.glob(f"{glob.escape(prefix)}*"):
        if leftover.is_symlink() or not leftover.is_dir():
            continue
        with suppress(OSError):
            if Path(leftover, MARKER).read_bytes() == os.fsencode(warehouse):
                shutil.rmtree(leftover, ignore_errors=True)
        # A run that was killed at once has made no marker.
        with suppress(OSError):
            leftover.rmdir()
