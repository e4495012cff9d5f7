"""The folder of a run's staged files below gs://, and what earlier runs left behind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from pipeline import storage
from pipeline.errors import RunError
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.terminal import printable

# Stands in each run's folder: what lies elsewhere below the dataset's is nobody's to remove.
MARKER: Final = ".growth-staging"


def folder_of(temp_location: str, project: str, dataset: str) -> str:
    """Where the runs into a dataset stage, each in a folder of its own."""
    return f"{temp_location.rstrip('/')}/growth-pipeline/{project}.{dataset}"


def own(folder: str, run: str) -> str:
    """Make a run's folder for staged files; also shows that it can be written.

    Args:
        folder: where the runs into the dataset stage.
        run: the run's id.

    Raises:
        RunError: if it can't be made.
    """
    found = f"{folder}/{run}"
    try:
        with storage.create(f"{found}/{MARKER}") as marker:
            marker.write(f"{found}\n".encode())
    except storage_errors() as error:
        raise RunError(
            f"can't write below {folder} ({storage_reason(error)}): see that the bucket of "
            "--temp_location exists, and grant roles/storage.objectAdmin on it"
        ) from error
    return found


def clear(folder: str) -> None:
    """Remove what runs left below a folder, of one run or of all; other files stay.

    Raises:
        RunError: if it can't be listed or a file can't be removed.
    """
    try:
        paths = storage.listed(f"{folder}/**")
        owned = {parent for parent, name in map(_split, paths) if name == MARKER}
        # Markers go last: should the rest fail, the next run knows the folder still.
        theirs = [path for path in paths if _split(path)[0] in owned]
        storage.delete(sorted(theirs, key=lambda path: path.endswith(f"/{MARKER}")))
    except storage_errors() as error:
        raise RunError(
            f"can't list or clear {folder} ({storage_reason(error)}): see that "
            "the bucket of --temp_location exists, and grant roles/storage.objectAdmin on it"
        ) from error


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent, name


def remove(paths: Sequence[str]) -> None:
    """Remove files that are committed; what can't be removed the next run tries again."""
    try:
        storage.delete(paths)
    except storage_errors() as error:
        logging.getLogger(__name__).warning(
            "can't remove staged files: %s", printable(storage_reason(error))
        )
