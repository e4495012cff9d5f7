"""The files behind --input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Final

from pipeline.errors import OptionError, RunError
from pipeline.inputs.input_versions import InputFile, local_file

_BYTES_PER_SHARD: Final = 12_000_000
_EVENTS_PER_SHARD: Final = 150_000
_MOST_SHARDS: Final = 1_024
# CSV of events shrinks to about an eighth.
_GZIP_RATIO: Final = 8


def find_inputs(globs: Iterable[str]) -> list[InputFile]:
    """The files that globs match, each once, by path.

    Raises:
        OptionError: if a glob matches no file, or one that is no CSV file.
        RunError: if a bucket can't be listed.
    """
    found: dict[str, InputFile] = {}
    for pattern in globs:
        files = _remote(pattern) if "://" in pattern else _local(pattern)
        if not files and (os.path.isdir(pattern) or pattern.endswith("/")):
            raise OptionError(
                f"--input {pattern!r} is a folder: write '{pattern.rstrip('/')}/*.csv'"
            )
        if not files:
            brackets = "; [ in a name is written as [[]" if "[" in pattern else ""
            raise OptionError(
                f"--input {pattern!r} matches no file: check the path, and quote globs{brackets}"
            )
        found.update({file.path: file for file in files})
    for path in found:
        if not path.isprintable():
            raise OptionError(f"--input: rename {path!r}: its name is not plain UTF-8 text")
    strange = [path for path in found if not path.lower().endswith((".csv", ".csv.gz"))]
    if strange:
        raise OptionError(f"--input: {strange[0]} is neither .csv nor .csv.gz")
    return [found[path] for path in sorted(found)]


def unseen_inputs(globs: Iterable[str]) -> list[InputFile]:
    """What stands for the files of globs where nobody may look at them: of no known size."""
    return [InputFile(pattern, 0) for pattern in globs]


def default_shards(files: Iterable[InputFile]) -> int:
    """Shards of some 12 MB of CSV: 150,000 events, which take 100 MB of memory to process."""
    total = sum(file.size * (_GZIP_RATIO if _is_compressed(file) else 1) for file in files)
    return max(1, min(_MOST_SHARDS, -(-total // _BYTES_PER_SHARD)))


def _is_compressed(file: InputFile) -> bool:
    return file.path.lower().endswith(".gz")


def shards_for(events: int) -> int:
    """As many shards as `default_shards` gives for so many events."""
    return max(1, min(_MOST_SHARDS, -(-events // _EVENTS_PER_SHARD)))


def _local(pattern: str) -> list[InputFile]:
    literal = os.path.isfile(pattern)
    paths = [pattern] if literal else glob.glob(_without_folders(pattern), recursive=True)
    try:
        return [local_file(path) for path in paths if os.path.isfile(path)]
    except OSError as error:
        raise RunError(
            f"--input {pattern!r}: {error.filename} can't be read ({error.strerror}): see that it "
            "is still there and that you may read it"
        ) from error


def _without_folders(pattern: str) -> str:
    """A glob in which a folder that is there is taken for itself, whatever brackets it has."""
    folder, name = os.path.split(pattern)
    if folder in ("", pattern):
        return pattern
    if os.path.isdir(folder):
        return os.path.join(glob.escape(folder), name)
    return os.path.join(_without_folders(folder), name)


def _remote(pattern: str) -> list[InputFile]:
    if not pattern.startswith("gs://"):
        raise OptionError(f"--input {pattern!r} is neither a path on this machine nor gs://")
    from pipeline.inputs import gcs
    from pipeline.storage_errors import storage_errors, storage_reason

    try:
        return [InputFile(*found) for found in gcs.listed(pattern)]
    except storage_errors(ValueError) as error:
        raise RunError(
            f"--input {pattern!r} can't be listed: {storage_reason(error)}; see that the "
            "bucket exists, and grant roles/storage.objectViewer on it"
        ) from error
