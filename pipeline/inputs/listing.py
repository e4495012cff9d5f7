"""The files behind --input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Final

from pipeline.errors import OptionError, RunError
from pipeline.inputs.input_versions import (
    DATA_NAMES,
    PACKED_NAMES,
    PLAIN_NAMES,
    InputFile,
    local_file,
)

_BYTES_PER_SHARD: Final = 12_000_000
_EVENTS_PER_SHARD: Final = 150_000
_MOST_SHARDS: Final = 1_024
# CSV of events shrinks to about an eighth, by other codecs and in Parquet to little less.
_GZIP_RATIO: Final = 8


CSV_NAMES: Final = (".csv", ".csv.gz")
_SHEETS: Final = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
# What rules can take, and archives of it.
NAMES_OF_RULES: Final = (*DATA_NAMES, ".zip")


def find_inputs(globs: Iterable[str], names: tuple[str, ...] = CSV_NAMES) -> list[InputFile]:
    """The files that globs match, each once, by path.

    Args:
        globs: paths or globs.
        names: how their names may end, in lower case.

    Raises:
        OptionError: if a glob matches no file, or one whose name ends otherwise.
        RunError: if a bucket can't be listed.
    """
    found: dict[str, InputFile] = {}
    for pattern in globs:
        files = _remote(pattern) if "://" in pattern else _local(pattern)
        if not files and (os.path.isdir(pattern) or pattern.endswith("/")):
            raise OptionError(
                f"--input {pattern!r} is a folder: write '{pattern.rstrip('/')}/{_all(names)}'"
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
    strange = [file for path, file in found.items() if not path.lower().endswith(names)]
    if strange:
        raise OptionError(_strange(strange[0], names))
    return [found[path] for path in sorted(found)]


def _all(names: tuple[str, ...]) -> str:
    return "*.csv" if names == CSV_NAMES else "*"


def _strange(file: InputFile, names: tuple[str, ...]) -> str:
    path = file.path
    if path.lower().endswith(_SHEETS):
        return f"--input: {path} is a spreadsheet: save its sheet as CSV UTF-8, and name that file"
    if names != CSV_NAMES:
        return (
            f"--input: {path} ends in no name that is read: {', '.join(PLAIN_NAMES)}, each also "
            "with .gz, .zst or .bz2, or .zip"
        )
    told = f"--input: {path} is neither .csv nor .csv.gz"
    if not path.lower().endswith(NAMES_OF_RULES):
        return told
    from pipeline.inputs.rules_hint import rules_hint

    return f"{told}: {rules_hint(file)}"


def unseen_inputs(globs: Iterable[str]) -> list[InputFile]:
    """What stands for the files of globs where nobody may look at them: of no known size."""
    return [InputFile(pattern, 0) for pattern in globs]


def default_shards(files: Iterable[InputFile]) -> int:
    """Shards of some 12 MB of CSV: 150,000 events, which take 100 MB of memory to process."""
    total = sum(map(text_bytes, files))
    return max(1, min(_MOST_SHARDS, -(-total // _BYTES_PER_SHARD)))


def text_bytes(file: InputFile) -> int:
    """How large a file is as CSV, about."""
    return file.size * (_GZIP_RATIO if file.path.lower().endswith(PACKED_NAMES) else 1)


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
