"""Whether an input file is still the one that a run has listed.

On Cloud Storage that is its generation. On this machine it is the file itself (device, inode), its
size and the moment at which it was written, and of one that has grown since, samples of the part
that was listed: a log that is appended to is read to its listed size.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Final, NamedTuple

from pipeline.errors import RunError
from transforms.data_error import DataError

# Two writes within a tick of the kernel's clock leave the same time; some file systems keep whole
# seconds, and FAT every other one.
_TICK_NS: Final = 20_000_000
_COARSE_TICK_NS: Final = 2_000_000_000
_EDGE_BYTES: Final = 64 << 10
_SAMPLES, _SAMPLE_BYTES = 16, 4 << 10
_LOOKS_AT_ONCE: Final = 16
# How names of files end that rules can take: each of these as it is and compressed.
PLAIN_NAMES: Final = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet")
DATA_NAMES: Final = tuple(name + end for name in PLAIN_NAMES for end in ("", ".gz", ".zst", ".bz2"))
# How names of files end that have no lines as they are stored, and are smaller than their text.
PACKED_NAMES: Final = (".gz", ".zst", ".bz2", ".zip", ".parquet")


class InputFile(NamedTuple):
    """A file to read.

    Attributes:
        path: local or gs://.
        size: its stored size in bytes when it was listed.
        version: what tells it from another file of that path; "" where nobody may look.
    """

    path: str
    size: int
    version: str = ""


def fingerprint(file: InputFile) -> str:
    """What tells a file from another one of that path, here and on a machine to which it moves."""
    return file.version if "://" in file.path else file.version.partition(" ")[2]


def local_file(
    path: str,
    now_ns: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> InputFile:
    """A file on this machine as it is now.

    One that was written within the last tick of the clock is looked at a tick later: another write
    could not be distinguished from that one.

    Args:
        path: the file.
        now_ns: the time in nanoseconds since 1970.
        sleep: waits for so many seconds.

    Raises:
        OSError: if it can't be read.
    """
    path = os.path.abspath(path)
    found = os.stat(path)
    tick = _TICK_NS if found.st_mtime_ns % 1_000_000_000 else _COARSE_TICK_NS
    age = now_ns() - found.st_mtime_ns
    if 0 <= age < tick:
        sleep((tick - age) / 1e9)
        found = os.stat(path)
    with open(path, "rb") as stream:
        sample = _sample(stream, found.st_size)
    return InputFile(path, found.st_size, f"{_identity(found)} {found.st_mtime_ns} {sample}")


def _identity(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"


def _sample(stream: IO[bytes], size: int) -> str:
    """A hash of parts of the first `size` bytes: both ends, and what lies evenly between."""
    found = hashlib.blake2b(digest_size=16)
    step = max(size // _SAMPLES, 1)
    for start in range(0, size, step):
        stream.seek(start)
        found.update(stream.read(min(_SAMPLE_BYTES, size - start)))
    for start in (0, max(size - _EDGE_BYTES, 0)):
        stream.seek(start)
        found.update(stream.read(min(_EDGE_BYTES, size - start)))
    return found.hexdigest()


def refuse_changed(file: InputFile) -> None:
    """Raise DataError if a file on this machine is not the one that was listed, or was cut."""
    if file.version and "://" not in file.path:
        how = _changed_here(file)
        if how:
            raise changed(file.path, how)


def changed(path: str, how: str) -> DataError:
    """The error of a file that is not the one that was listed."""
    return DataError(
        f"{path} changed while it was read: {how}; run again once nothing writes to it"
    )


def _changed_here(file: InputFile) -> str | None:
    identity, moment, sample = file.version.split(" ")
    try:
        found = os.stat(file.path)
        if _identity(found) != identity:
            return "another file has taken its place"
        if found.st_size < file.size:
            return f"it was cut from {file.size:,} to {found.st_size:,} bytes"
        if found.st_size == file.size:
            return None if found.st_mtime_ns == int(moment) else "it was written to in place"
        with open(file.path, "rb") as stream:
            if _sample(stream, file.size) != sample:
                return "it was rewritten in place"
            return _torn(stream, file)
    except FileNotFoundError:
        return "it is gone"
    except OSError as error:
        return f"it can't be looked at any more ({error.strerror})"


def _torn(stream: IO[bytes], file: InputFile) -> str | None:
    """What is wrong where a file was listed in the middle of a line that was completed since."""
    if not file.size or file.path.lower().endswith(PACKED_NAMES):
        return None
    stream.seek(file.size - 1)
    if set(stream.read(2)) & set(b"\r\n"):
        return None
    return "its last line was not written to its end when the run began"


def refuse_any_changed(files: Sequence[InputFile]) -> None:
    """See that all files are those that were listed.

    Raises:
        RunError: if one is not, or can't be looked at.
    """
    try:
        for file in files:
            refuse_changed(file)
        _refuse_remote([file for file in files if file.version and "://" in file.path])
    except DataError as error:
        raise RunError(str(error)) from error


def _refuse_remote(files: Iterable[InputFile]) -> None:
    remote = list(files)
    if not remote:
        return
    from pipeline.inputs import gcs
    from pipeline.storage_errors import storage_errors, storage_reason

    storage_client = gcs.client()

    def look(file: InputFile) -> str | None:
        try:
            return gcs.generation(storage_client, file.path)
        except storage_errors() as error:
            raise DataError(
                f"{file.path} can't be looked at before the commit ({storage_reason(error)}): see "
                "that it is still there and that you may read it, and run again"
            ) from error

    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        for file, now in zip(remote, pool.map(look, remote), strict=True):
            if now != file.version:
                raise changed(file.path, "it is gone" if now is None else "it was replaced")
