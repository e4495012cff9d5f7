"""The text of an input file, as far as it was listed, decompressed."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from pipeline.inputs.input_versions import InputFile, changed, refuse_changed
from pipeline.storage_errors import storage_errors, storage_reason
from transforms.data_error import DataError
from transforms.kernels.starts import GZIP_MAGIC


class InputStream(io.RawIOBase):
    """An input file's text.

    Args:
        file: the file.
        raw: its stored bytes.
        compressed: whether they are compressed; None to look.
    """

    def __init__(self, file: InputFile, raw: io.BufferedReader, compressed: bool | None):
        self._file, self._stored = file, _Listed(raw, file.size if file.version else None)
        if compressed is None:
            compressed = raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
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
        wanted = self._file.size if end is None else end
        if self._file.version and self.stored_bytes < wanted:
            raise changed(self._file.path, f"it ends at byte {self.stored_bytes:,}")


class _Listed(io.RawIOBase):
    """A stream up to a size: what was appended since a file was listed is not read."""

    def __init__(self, raw: io.BufferedReader, size: int | None):
        self._raw, self._size = raw, size

    def read(self, size: int = -1, /) -> bytes:
        if self._size is not None:
            left = max(self._size - self._raw.tell(), 0)
            size = left if size < 0 else min(size, left)
        return self._raw.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()


@contextmanager
def opened(file: InputFile, compressed: bool | None = None) -> Iterator[InputStream]:
    """The file's text; that it is the one that was listed is seen to at both ends.

    Args:
        file: the file.
        compressed: whether it is; None to look, which costs a request on gs://.

    Raises:
        DataError: if it is not, or can't be read, or no text; the message names the file.
    """
    try:
        refuse_changed(file)
        with _stored(file) as raw:
            yield InputStream(file, raw, compressed)
        refuse_changed(file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        refuse_changed(file)
        raise DataError(
            f"{file.path}: the gzip data is damaged or cut short ({error}): upload the file again, "
            "and run again"
        ) from error
    except storage_errors() as error:
        raise DataError(
            f"{file.path}: can't be read ({storage_reason(error)}): check that it is still there "
            "and that you may read it, and run again"
        ) from error


def _stored(file: InputFile) -> io.BufferedReader:
    if not file.path.startswith("gs://"):
        return open(file.path, "rb")
    from google.api_core.exceptions import NotFound

    from pipeline.inputs import gcs

    try:
        return gcs.opened(file.path, file.version)
    except (LookupError, NotFound) as error:
        raise changed(file.path, "it was replaced or removed") from error
