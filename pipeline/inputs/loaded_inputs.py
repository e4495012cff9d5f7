"""What loaded_files holds of an input file, and whether a file is still the one that was loaded."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from pipeline.errors import RunError
from pipeline.inputs.input_versions import InputFile, fingerprint
from pipeline.warehouse.checksums import checksum_of
from transforms.state.loaded_files import LoadedFile

Comparison = Literal["the same", "written anew", "changed"]


def fingerprint_to_store(file: InputFile) -> str:
    """What tells a file that is loaded from another one of that path, later.

    On gs:// its generation; on this machine its fingerprint and the CRC-32C of all that was
    listed of it, which takes 0.3 s a gigabyte.
    """
    found = fingerprint(file)
    if file.version and "://" not in file.path:
        with suppress(OSError):  # It is gone since it was read; then nobody compares it either.
            return f"{found} {_checksum(file)}"
    return found


def compare(file: InputFile, loaded: LoadedFile) -> Comparison:
    """Whether a file is the one of its path that was loaded.

    Its size and its bytes decide. It is read only where it was written since and is as long.

    Raises:
        RunError: if it can't be read.
    """
    if file.size != loaded.size:
        return "changed"
    found = fingerprint(file)
    if "://" in file.path or found == loaded.fingerprint:
        return "the same" if found == loaded.fingerprint else "changed"
    moment, _, content = loaded.fingerprint.partition(" ")
    now, _, sample = found.partition(" ")
    same_sample, _, checksum = content.partition(" ")
    if sample != same_sample:
        return "changed"
    if moment == now:
        return "the same"
    # What an earlier version has noted has no checksum.
    return "written anew" if checksum and checksum == _read(file) else "changed"


def _read(file: InputFile) -> str:
    try:
        return _checksum(file)
    except OSError as error:
        raise RunError(
            f"can't read {file.path}: {error.strerror}; check the file, and run again"
        ) from error


def _checksum(file: InputFile) -> str:
    return f"{checksum_of(file.path, file.size):08x}"
