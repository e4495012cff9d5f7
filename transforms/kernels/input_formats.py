"""What an input file may be, what rules say of it, and what it was found to be."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from transforms.kernels.csv_dialect import RFC_4180, Dialect

Kind = Literal["csv", "jsonl", "json", "parquet"]
Compression = Literal["none", "gzip", "zstd", "bzip2", "zip"]
KINDS: Final = get_args(Kind)
COMPRESSIONS: Final = get_args(Compression)

UTF_8: Final = "utf-8"
_KIND_NAMES: Final[dict[Kind, str]] = {
    "csv": "CSV",
    "jsonl": "JSON lines",
    "json": "JSON",
    "parquet": "Parquet",
}
_ENCODING_NAMES: Final = {
    UTF_8: "UTF-8",
    "iso8859-1": "Latin-1",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32-le": "UTF-32LE",
    "utf-32-be": "UTF-32BE",
}


@dataclass(frozen=True)
class Given:
    """What rules say of their input; what is None is found out.

    Attributes:
        format: one of KINDS.
        compression: one of COMPRESSIONS.
        encoding: any that Python knows.
        delimiter: one ASCII character.
        quote: one ASCII character, or "" for none.
        names: of the fields of a CSV file that has no header.

    Raises:
        ValueError: if one of them can't be; the message begins with its name.
    """

    format: str | None = None
    compression: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, taken in (
            ("format", self.format, KINDS),
            ("compression", self.compression, COMPRESSIONS),
        ):
            if value is not None and value not in taken:
                raise ValueError(f"{name} is {value!r}: it is one of {', '.join(taken)}")
        if self.encoding is not None:
            codec_of(self.encoding)
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if value is not None and not _is_mark(value) and (name, value) != ("quote", ""):
                raise ValueError(
                    f"{name} is {value!r}: it is one ASCII character that is no letter, digit or "
                    "line break" + (', or "" where nothing is quoted' if name == "quote" else "")
                )
        if self.delimiter is not None and self.delimiter == self.quote:
            raise ValueError(f"delimiter and quote are both {self.quote!r}")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"names has {', '.join(twice)} more than once")


def _is_mark(text: str) -> bool:
    return len(text) == 1 and text.isascii() and not text.isalnum() and text not in "\r\n\0"


def codec_of(encoding: str) -> str:
    """Python's name of an encoding of text.

    Raises:
        ValueError: if it knows none of that name.
    """
    try:
        found = codecs.lookup(encoding).name
        "".encode(found)
    except (LookupError, UnicodeError) as error:
        raise ValueError(
            f"encoding is {encoding!r}: it is one that Python knows, such as utf-8, utf-16, "
            "latin-1 or cp1252"
        ) from error
    return UTF_8 if found == "utf-8-sig" else found


@dataclass(frozen=True)
class Format:
    """What a file is.

    Attributes:
        kind: CSV, JSON lines, JSON (an array, or objects one after the other), or Parquet.
        compression: of the file; of one in a zip archive "zip".
        packed: of a file in an archive how it is compressed itself, as Amplitude does.
        encoding: Python's name of it; of Parquet UTF-8.
        dialect: of CSV.
    """

    kind: Kind
    compression: Compression = "none"
    encoding: str = UTF_8
    dialect: Dialect = RFC_4180
    packed: Compression = "none"

    @property
    def text(self) -> str:
        """It in a few words, e.g. "CSV, semicolon, cp1252, gzip"."""
        parts = [_KIND_NAMES[self.kind]]
        if self.kind == "csv":
            parts.append(self.dialect.text)
        if self.kind != "parquet":
            parts.append(_ENCODING_NAMES.get(self.encoding, self.encoding))
        if self.compression != "none":
            packed = "" if self.packed == "none" else f"{self.packed} in "
            parts.append(f"{packed}{self.compression}")
        return ", ".join(parts)


def kind_of(name: str) -> Kind:
    """One of KINDS as a `Kind`."""
    return cast(Kind, name)
