"""The folder of a run's staged files below gs://, and what earlier runs left behind."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems

from pipeline.errors import RunError
from pipeline.storage_errors import STORAGE_ERRORS, storage_reason
from pipeline.telling import printable


def folder_of(temp_location: str, project: str, dataset: str) -> str:
    """Where the runs into a dataset stage, each in a folder of its own."""
    return f"{temp_location.rstrip('/')}/growth-pipeline/{project}.{dataset}"


def clear(folder: str) -> None:
    """Remove all files below a folder; also shows that it can be reached.

    Raises:
        RunError: if it can't be listed or a file can't be removed.
    """
    try:
        found = FileSystems.match([f"{folder}/**"])[0].metadata_list
        FileSystems.delete([file.path for file in found])
    except STORAGE_ERRORS as error:
        raise RunError(
            f"can't list or clear {folder} ({storage_reason(error)}): see that "
            "the bucket of --temp_location exists, and grant roles/storage.objectAdmin on it"
        ) from error


def remove(paths: Sequence[str]) -> None:
    """Remove files that are committed; what can't be removed the next run tries again."""
    try:
        FileSystems.delete(list(paths))
    except STORAGE_ERRORS as error:
        logging.getLogger(__name__).warning(
            "can't remove staged files: %s", printable(storage_reason(error))
        )
