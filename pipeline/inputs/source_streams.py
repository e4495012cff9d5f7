"""The text of an input file of any format: decompressed, out of its archive, in UTF-8."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, Final, NamedTuple, cast

import pyarrow as pa

from pipeline.inputs.input_streams import (
    CHUNK_BYTES,
    DamagedError,
    StoredBytes,
    refuse_short,
    stored_bytes,
)
from pipeline.inputs.input_versions import DATA_NAMES, InputFile
from transforms.data_error import DataError
from transforms.kernels.encodings import Transcoder
from transforms.kernels.input_formats import UTF_8, Compression, Format

_EXCEL: Final = "[Content_Types].xml"
_DIRECTORY_BYTES: Final = 1 << 20


class SourceStream(io.RawIOBase):
    """A source's text in UTF-8.

    Args:
        file: the file.
        stored: its bytes.
        form: what it is.
        member: of a zip archive, its name.
    """

    def __init__(self, file: InputFile, stored: StoredBytes, form: Format, member: str):
        self._file, self._stored, self._form = file, stored, form
        self._source = decompressed(file, stored, form.compression, member, form.packed)
        transcoded = form.encoding != UTF_8
        self._text = Transcoder(self._source, form.encoding) if transcoded else self._source

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes of text or fewer; none at its end alone.

        Raises:
            DamagedError: if they can't be decompressed.
            DataError: if the text ends within a character.
        """
        try:
            return self._text.read(size)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._file.path}: its last bytes are no whole character of "
                f"{self._form.encoding}: it is cut short, or in another encoding; upload it again, "
                'or name its encoding in the rules, e.g. [input] encoding = "cp1252"'
            ) from error

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a byte of text that is stored as it is."""
        return self._stored.seek(offset, whence)

    @property
    def is_plain(self) -> bool:
        """Whether the text is stored as it is."""
        return is_plain(self._form)

    @property
    def stored_bytes(self) -> int:
        """How far the stored file has been read."""
        return self._stored.tell()

    def refuse_short(self, end: int | None) -> None:
        """Raise DataError unless the stored file was read up to there; None for all of it."""
        if self._form.compression != "zip":  # Its members check themselves.
            refuse_short(self._file, self._stored, end)


def is_plain(form: Format) -> bool:
    """Whether a file of text is stored as UTF-8, uncompressed."""
    return form.compression == "none" and form.encoding == UTF_8


@contextmanager
def opened_source(
    file: InputFile, form: Format, member: str = "", chunk_bytes: int = CHUNK_BYTES
) -> Iterator[SourceStream]:
    """A source's text; that its file is the one that was listed is seen to at both ends.

    Args:
        file: the file.
        form: what it is.
        member: of a zip archive, its name.
        chunk_bytes: as in `stored_bytes`.

    Raises:
        DataError: if it is not, or can't be read; the message names the file.
    """
    with stored_bytes(file, chunk_bytes) as stored:
        yield SourceStream(file, stored, form, member)


def decompressed(
    file: InputFile,
    stored: StoredBytes,
    compression: Compression,
    member: str = "",
    packed: Compression = "none",
) -> IO[bytes]:
    """A file's bytes, decompressed.

    Args:
        file: the file.
        stored: its bytes.
        compression: of the file.
        member: of a zip archive, its name.
        packed: how that is compressed itself.

    Raises:
        DamagedError: here or in reading, if they can't be.
        DataError: if it is an archive that can't be read.
    """
    source = cast(IO[bytes], stored)
    if compression != "zip":
        return _unpacked(source, compression)
    within = cast(IO[bytes], _Decompressed(_member(file, stored, member), "zip"))
    return _unpacked(within, packed)


def _unpacked(source: IO[bytes], compression: Compression) -> IO[bytes]:
    if compression == "none":
        return source
    if compression == "gzip":
        unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=source))
    elif compression == "bzip2":
        unpacked = cast(IO[bytes], bz2.BZ2File(source))
    else:
        unpacked = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    return cast(IO[bytes], _Decompressed(unpacked, compression))


def archive(file: InputFile, stored: StoredBytes) -> zipfile.ZipFile:
    """A zip archive.

    Raises:
        DamagedError: if it is none.
        DataError: if it is an Excel workbook.
    """
    try:
        found = _Archive(stored, _directory(file))
    except (zipfile.BadZipFile, EOFError) as error:
        raise DamagedError("zip", error) from error
    if _EXCEL in found.NameToInfo:
        raise DataError(f"{file.path} is an Excel workbook: save the sheet as CSV UTF-8")
    return found


class _Archive(zipfile.ZipFile):
    """An archive whose directory is known: to read that takes as long as it has files.

    Args:
        stored: its bytes.
        known: the same archive, for its directory.
    """

    def __init__(self, stored: StoredBytes, known: zipfile.ZipFile):
        self._known = known
        super().__init__(cast(IO[bytes], stored))

    # Called by ZipFile's constructor; a Python that has it not reads the directory again.
    def _RealGetContents(self) -> None:  # noqa: N802
        self.filelist, self.NameToInfo = self._known.filelist, self._known.NameToInfo
        self.start_dir = self._known.start_dir


@lru_cache(maxsize=4)
def _directory(file: InputFile) -> zipfile.ZipFile:
    """An archive of which no more than the directory is looked at."""
    with (
        stored_bytes(file, _DIRECTORY_BYTES) as stored,
        zipfile.ZipFile(cast(IO[bytes], stored)) as found,
    ):
        return found


def _member(file: InputFile, stored: StoredBytes, name: str) -> IO[bytes]:
    try:
        return archive(file, stored).open(name)
    except (RuntimeError, NotImplementedError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{file.path}: {name} can't be unpacked ({error}): unpack it") from error


class Members(NamedTuple):
    """What is in an archive, in its order.

    Attributes:
        taken: the names of its files of data: those whose names end so, or all where none does.
        left_out: the names of others, but for what macOS and the like add unasked.
    """

    taken: list[str]
    left_out: list[str]


def members(found: zipfile.ZipFile) -> Members:
    """The names of the files in an archive."""
    names = [
        info.filename
        for info in found.infolist()
        if not info.is_dir()
        and not any(part.startswith(".") or part == "__MACOSX" for part in info.filename.split("/"))
    ]
    data = [name for name in names if name.lower().endswith(DATA_NAMES)]
    return (
        Members(data, [name for name in names if name not in data]) if data else Members(names, [])
    )


class _Decompressed(io.RawIOBase):
    """A decompressor whose complaints about its bytes are DamagedErrors."""

    def __init__(self, source: IO[bytes], kind: str):
        self._source, self._kind = source, kind

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._source.read(size)
        except OSError as error:
            # What a disk refuses has a number; what a codec says has none.
            if error.errno is not None and not isinstance(error, gzip.BadGzipFile):
                raise
            raise DamagedError(self._kind, error) from error
        except (EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException) as error:
            raise DamagedError(self._kind, error) from error
