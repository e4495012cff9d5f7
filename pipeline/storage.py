"""Files on this machine and on Cloud Storage by one name: there Beam's FileSystems, imported late.

Beam takes a second to import: wrong options are found before that, and what needs Beam for nothing
but a file on this machine goes without.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import IO, cast

from pipeline.errors import NO_CREDENTIALS, RunError


def check_storage(paths: Iterable[str | None], arguments: Sequence[str]) -> None:
    """Make Cloud Storage usable in this process, if one of the paths lies there.

    Args:
        paths: what the command line names, on gs:// or elsewhere.
        arguments: the command line's options of Beam.

    Raises:
        RunError: if there are no credentials.
    """
    if not any(path and path.startswith("gs://") for path in paths):
        return
    # Beam itself looks for credentials for half a minute, and then goes on without any.
    _check_credentials()
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions(list(arguments)))


def _is_local(path: str) -> bool:
    return "://" not in path


def _check_credentials() -> None:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise RunError(f"can't use gs://: {NO_CREDENTIALS}") from error


def join(folder: str, name: str) -> str:
    """The path of a file in a folder."""
    if _is_local(folder):
        return os.path.join(folder, name)
    from apache_beam.io.filesystems import FileSystems

    return str(FileSystems.join(folder, name))


def create(path: str) -> IO[bytes]:
    """A file to write, which holds what is written and nothing else, whatever its name says.

    Raises:
        one of `storage_errors`: if it can't be made; writing and closing it, likewise.
    """
    if _is_local(path):
        return open(path, "wb")
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    stream = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast(IO[bytes], stream)


def opened(path: str) -> IO[bytes]:
    """A file to read, as it is, whatever its name says.

    Raises:
        one of `storage_errors`: if it can't be opened; reading it, likewise.
    """
    if _is_local(path):
        return open(path, "rb")
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    stream = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return cast(IO[bytes], stream)


def listed(pattern: str) -> list[str]:
    """The paths of the files that a pattern matches.

    Raises:
        one of `storage_errors`: if they can't be listed.
    """
    from apache_beam.io.filesystems import FileSystems

    return [file.path for file in FileSystems.match([pattern])[0].metadata_list]


def delete(paths: Sequence[str]) -> None:
    """Remove files.

    Raises:
        one of `storage_errors`: if one can't be removed.
    """
    from apache_beam.io.filesystems import FileSystems

    FileSystems.delete(list(paths))
