"""How files begin that are no CSV in UTF-8, and what to do with them."""

from __future__ import annotations

import re
from typing import Final

from transforms.data_error import DataError

GZIP_MAGIC: Final = b"\x1f\x8b"
_ARCHIVES: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV UTF-8",
    b"PAR1": "a Parquet file: write it as CSV",
    b"BZh": "compressed by bzip2: decompress it, or compress it with gzip",
    b"\xfd7zXZ\x00": "compressed by xz: decompress it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: decompress it, or compress it with gzip",
    GZIP_MAGIC: "compressed by gzip twice: decompress it once",
}
_WIDE: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# A CR that no LF follows, and no other CR that does.
_BARE_CR: Final = re.compile(rb"\r(?!\r*(?:\n|\Z))")
_QUOTED: Final = re.compile(rb'"(?:[^"]|"")*"')
_SEPARATOR_LINE: Final = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)


def refuse_start(start: bytes, source: str) -> None:
    """See that a file may be CSV in UTF-8.

    Args:
        start: its first bytes, decompressed.
        source: its path.

    Raises:
        DataError: if it can't be, with what it is and what to do.
    """
    for magic, kind in _ARCHIVES.items():
        if start.startswith(magic):
            raise DataError(f"{source} is no CSV file but {kind}")
    encoding = next((name for mark, name in _WIDE.items() if start.startswith(mark)), None)
    if encoding is None and b"\0" in start.partition(b"\n")[0][:200]:
        encoding = _unmarked(start)
        if encoding is None:
            raise DataError(f"{source} is no CSV file: it begins with bytes that are no text")
    if encoding:
        raise DataError(
            f"{source} is {encoding}: save it as UTF-8 (in Excel as CSV UTF-8, or by iconv -f "
            f"{encoding} -t UTF-8)"
        )
    head = _QUOTED.sub(b"", start).partition(b"\n")[0]
    if _BARE_CR.search(head):
        raise DataError(
            f"{source}: its lines end in CR alone, as old Macs have it; they must end in LF or "
            "CRLF: tr '\\r' '\\n' < old.csv > new.csv corrects that"
        )


def _unmarked(start: bytes) -> str | None:
    """The encoding in which most of a text without a byte order mark is ASCII, as headers are."""
    head = start[: min(len(start), 200) // 4 * 4]
    for name in ("UTF-32BE", "UTF-32LE", "UTF-16BE", "UTF-16LE"):
        text = head.decode(name, errors="replace")
        if 2 * sum("\0" < letter < "\x80" for letter in text) > len(text):
            return name
    return None


def separator_line(text: bytes, source: str) -> int:
    """How many bytes a first line takes that tells Excel the separator; 0 where there is none.

    Raises:
        DataError: if the separator is no comma.
    """
    found = _SEPARATOR_LINE.match(text)
    if found is None:
        return 0
    if found[1] != b",":
        raise DataError(
            f"{source}: its first line says that {found[1].decode(errors='replace')!r} separates "
            "its fields: they must be separated by commas"
        )
    return found.end()
