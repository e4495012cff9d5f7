"""What input files are: found out from their first bytes, names and headers, or given by rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Final, TypeVar, cast

from pipeline.inputs.input_streams import StoredBytes, stored_bytes
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.parquet_source import opened_parquet
from pipeline.inputs.source_streams import (
    Members,
    archive,
    decompressed,
    members,
    opened_source,
)
from transforms.data_error import DataError
from transforms.kernels.csv_guess import guessed_dialect
from transforms.kernels.csv_header import read_names, text_beginning
from transforms.kernels.csv_lines import BOM
from transforms.kernels.encodings import found_encoding, of_mark
from transforms.kernels.format_guess import PARQUET_MAGIC, guessed_compression, guessed_kind
from transforms.kernels.input_formats import (
    UTF_8,
    Compression,
    Format,
    Given,
    codec_of,
)

# Of a text that is all ASCII so far: the first other character tells its encoding.
_LOOKED_AT: Final = 4 << 20
_FIRST_LOOK: Final = 64 << 10
_HEADER_LOOK: Final = 1 << 20
_File = TypeVar("_File")


@dataclass(frozen=True)
class Source:
    """An input file, or a file in a zip archive, and what it is.

    Attributes:
        file: the file.
        form: what it is.
        member: its name in the archive; "" where there is none.
        names: of CSV the names of its fields, of Parquet those of its columns, in order; of JSON
            none.
        first: the byte offset of its first record in its text (UTF-8, decompressed).
    """

    file: InputFile
    form: Format
    member: str = ""
    names: tuple[str, ...] = ()
    first: int = 0

    @property
    def path(self) -> str:
        """The file's path, and in an archive the name of the file."""
        return f"{self.file.path}:{self.member}" if self.member else self.file.path


def describe(file: InputFile, given: Given, most: int | None = None) -> list[Source]:
    """What a file is: one source, of a zip archive one for each file in it that holds something.

    Args:
        file: the file.
        given: what rules say of it.
        most: of how many files of an archive at most, as `spread` takes them; None for all.

    Raises:
        DataError: if it can't be read, or is not what its name or `given` says.
    """
    with stored_bytes(file, _HEADER_LOOK) as stored:
        start = stored.read(_FIRST_LOOK)
        compression = cast(Compression, given.compression) or guessed_compression(start, file.path)
        names: Sequence[str] = [""]
        if compression == "zip":
            names = spread(members(archive(file, stored)).taken, most)
            if not names:
                raise DataError(f"{file.path} is a zip archive that has no files")
        formats = [_format(file, stored, compression, name, given) for name in names]
    return [
        found
        for name, form in zip(names, formats, strict=True)
        if form is not None
        for found in _sources(Source(file, form, name), given)
    ]


def files_within(file: InputFile, given: Given) -> Members:
    """The names of the files in an archive; of another file one without a name.

    Raises:
        DataError: if it can't be read.
    """
    with stored_bytes(file, _HEADER_LOOK) as stored:
        start = stored.read(_FIRST_LOOK)
        if (given.compression or guessed_compression(start, file.path)) != "zip":
            return Members([""], [])
        return members(archive(file, stored))


def spread(files: Sequence[_File], most: int | None) -> Sequence[_File]:
    """All files, or so many of them: the first, the last and those between at equal distances."""
    if most is None or len(files) <= most:
        return files
    last = len(files) - 1
    return [files[place * last // max(most - 1, 1)] for place in range(most)]


def _format(
    file: InputFile, stored: StoredBytes, compression: Compression, member: str, given: Given
) -> Format | None:
    """What a file is; None where it is empty."""
    stored.seek(0)
    stream = decompressed(file, stored, compression, member)
    start = stream.read(_FIRST_LOOK)
    packed: Compression = "none"
    if member and (packed := guessed_compression(start, member)) != "none":
        if packed == "zip":
            raise DataError(f"{file.path}: {member} is an archive in an archive: unpack it")
        stream = decompressed(file, stored, compression, member, packed)
        start = stream.read(_FIRST_LOOK)
    if start.startswith(PARQUET_MAGIC) and given.format in (None, "parquet"):
        return Format("parquet", compression, packed=packed)
    if not start:
        return None
    encoding = of_mark(codec_of(given.encoding), start) if given.encoding else None
    while encoding is None:
        encoding = found_encoding(start)
        more = stream.read(len(start)) if start.isascii() and len(start) < _LOOKED_AT else b""
        if more:
            start, encoding = start + more, None
    text = start[:_HEADER_LOOK]
    if encoding != UTF_8:
        text = text.decode(encoding, errors="replace").encode()
    text = text.removeprefix(BOM)
    kind = guessed_kind(text, member or file.path, given)
    if kind == "parquet":
        raise DataError(f"{file.path} is no Parquet file, though the rules say so")
    form = Format(kind, compression, encoding, packed=packed)
    return replace(form, dialect=guessed_dialect(text, given)) if kind == "csv" else form


def _sources(source: Source, given: Given) -> Iterator[Source]:
    """The source with its header; none where it is blank."""
    if source.form.kind == "parquet":
        with opened_parquet(source.file, source.form, source.member) as (found, _):
            yield replace(source, names=tuple(found.schema_arrow.names))
        return
    with opened_source(source.file, source.form, source.member, _HEADER_LOOK) as stream:
        text = cast(IO[bytes], stream)
        if source.form.kind != "csv":
            yield replace(source, first=len(BOM) if stream.read(len(BOM)) == BOM else 0)
            return
        if given.names:
            first = text_beginning(text.read(_FIRST_LOOK), source.path, source.form.dialect)
            yield replace(source, names=given.names, first=first)
            return
        header = read_names(text, source.path, source.form.dialect)
        if header is not None:
            yield replace(source, names=header.names, first=header.length)
