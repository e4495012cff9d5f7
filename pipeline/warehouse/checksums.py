"""The bytes of files: as they were written or read, and as they lie there later."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, Any, Final

import google_crc32c

from pipeline.errors import RunError
from pipeline.warehouse.changes import StagedFile

_CHUNK_BYTES: Final = 4 << 20


class Summed:
    """A binary stream to write to, with the CRC-32C of what was written.

    Attributes:
        checksum: of all bytes so far.
    """

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.checksum = 0

    def write(self, data: bytes) -> int:
        """Write bytes."""
        self.checksum = google_crc32c.extend(self.checksum, data)
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def see_unchanged(files: Iterable[StagedFile]) -> None:
    """See that staged files on this machine hold the bytes that were written.

    A sum over columns does not see every bit that flips on a disk; this does.

    Raises:
        RunError: if one does not.
    """
    for file in files:
        if file.checksum is not None and checksum_of(file.path) != file.checksum:
            raise RunError(
                f"{file.path} holds other bytes than were staged of {file.table}: nothing was "
                "changed. See that nobody else writes there, and run again; if it happens again, "
                "stage elsewhere with --temp_location, and test that disk"
            )


def checksum_of(path: str, size: int | None = None) -> int:
    """The CRC-32C of a file on this machine, or of its first `size` bytes.

    Raises:
        OSError: if it can't be read.
    """
    found, left = 0, sys.maxsize if size is None else size
    with open(path, "rb", buffering=0) as stream:
        while chunk := stream.read(min(_CHUNK_BYTES, left)):
            found = google_crc32c.extend(found, chunk)
            left -= len(chunk)
    return found
