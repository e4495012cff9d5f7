"""The text of an input file, as far as it was listed, decompressed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

from pipeline.inputs.input_versions import InputFile, changed, refuse_changed
from pipeline.storage_errors import storage_errors, storage_reason
from transforms.data_error import DataError
from transforms.kernels.starts import GZIP_MAGIC

CHUNK_BYTES: Final = 16 << 20


class InputStream(io.RawIOBase):
    """An input file's text.

    Args:
        file: the file.
        stored: its stored bytes.
        compressed: whether they are compressed; None to look.
    """

    def __init__(self, file: InputFile, stored: StoredBytes, compressed: bool | None):
        self._file, self._stored = file, stored
        if compressed is None:
            compressed = stored.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
        self.compressed = compressed
        if file.path.lower().endswith(".gz") and not self.compressed:
            raise DataError(
                f"{file.path} is no gzip file, though its name ends in .gz"
                f"{' (it is empty)' if file.version and not file.size else ''}: upload it again, "
                "or name it .csv where it is one"
            )
        self._text = cast(
            IO[bytes], gzip.GzipFile(fileobj=self._stored) if compressed else self._stored
        )

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes of text, fewer at its end alone."""
        return self._text.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte of the text."""
        return self._text.seek(offset, whence)

    @property
    def stored_bytes(self) -> int:
        """How far the stored file has been read."""
        return self._stored.tell()

    def refuse_short(self, end: int | None) -> None:
        """Raise DataError unless the stored file was read up to there; None for all of it."""
        refuse_short(self._file, self._stored, end)


class StoredBytes(io.RawIOBase):
    """A file's stored bytes up to a size: what was appended since it was listed is not read.

    Args:
        raw: all of them.
        size: None for no limit.
    """

    def __init__(self, raw: io.BufferedReader, size: int | None):
        self._raw, self._size = raw, size

    def peek(self, size: int) -> bytes:
        """So many bytes or more of what comes next, without taking them."""
        return self._raw.peek(size)

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, fewer at the end alone."""
        if self._size is not None:
            left = max(self._size - self._raw.tell(), 0)
            size = left if size < 0 else min(size, left)
        return self._raw.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte; the end is that of what was listed."""
        if whence == io.SEEK_END and self._size is not None:
            return self._raw.seek(self._size + offset)
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """How far they have been read."""
        return self._raw.tell()

    def readable(self) -> bool:
        """They are."""
        return True

    def seekable(self) -> bool:
        """They are."""
        return True


@contextmanager
def opened(file: InputFile, compressed: bool | None = None) -> Iterator[InputStream]:
    """The file's text; that it is the one that was listed is seen to at both ends.

    Args:
        file: the file.
        compressed: whether it is; None to look, which costs a request on gs://.

    Raises:
        DataError: if it is not, or can't be read, or no text; the message names the file.
    """
    with stored_bytes(file) as stored:
        try:
            yield InputStream(file, stored, compressed)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DamagedError("gzip", error) from error


class DamagedError(Exception):
    """Compressed bytes that can't be decompressed: what they should be, and what is wrong."""


@contextmanager
def stored_bytes(file: InputFile, chunk_bytes: int = CHUNK_BYTES) -> Iterator[StoredBytes]:
    """The file's bytes as they are stored; that it is the one that was listed is seen to at both
    ends.

    Args:
        file: the file.
        chunk_bytes: how much a request to gs:// asks for at least.

    Raises:
        DataError: if it is not, or can't be read; the message names the file. Also where a
            DamagedError is raised meanwhile.
    """
    try:
        refuse_changed(file)
        with _opened(file, chunk_bytes) as raw:
            yield StoredBytes(raw, file.size if file.version else None)
        refuse_changed(file)
    except DamagedError as error:
        refuse_changed(file)
        kind, reason = error.args
        raise DataError(
            f"{file.path}: the {kind} data is damaged or cut short ({reason}): upload the file "
            "again, and run again"
        ) from error
    except storage_errors() as error:
        raise DataError(
            f"{file.path}: can't be read ({storage_reason(error)}): check that it is still there "
            "and that you may read it, and run again"
        ) from error


def refuse_short(file: InputFile, stored: StoredBytes, end: int | None) -> None:
    """Raise DataError unless the stored file was read up to there; None for all of it."""
    wanted = file.size if end is None else end
    if file.version and stored.tell() < wanted:
        raise changed(file.path, f"it ends at byte {stored.tell():,}")


def _opened(file: InputFile, chunk_bytes: int) -> io.BufferedReader:
    if not file.path.startswith("gs://"):
        return open(file.path, "rb")
    from google.api_core.exceptions import NotFound

    from pipeline.inputs import gcs

    try:
        return gcs.opened(file.path, file.version, chunk_bytes)
    except (LookupError, NotFound) as error:
        raise changed(file.path, "it was replaced or removed") from error
