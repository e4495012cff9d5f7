"""How files begin that are no CSV in UTF-8, and what to do with them."""

from __future__ import annotations

import re
from typing import Final

from transforms.data_error import DataError
from transforms.kernels.encodings import marked_encoding, unmarked_wide
from transforms.kernels.input_formats import UTF_8

GZIP_MAGIC: Final = b"\x1f\x8b"
_ARCHIVES: Final = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV UTF-8; "
    "an archive of files can be read by --rules",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save the sheet as CSV UTF-8",
    b"PAR1": "a Parquet file: read it by --rules, or write it as CSV",
    b"BZh": "compressed by bzip2: read it by --rules, or decompress it, or compress it with gzip",
    b"\xfd7zXZ\x00": "compressed by xz: decompress it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: read it by --rules, or decompress it, or compress it "
    "with gzip",
    GZIP_MAGIC: "compressed by gzip twice: decompress it once",
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
    marked = marked_encoding(start) or UTF_8
    encoding = None if marked == UTF_8 else marked.removesuffix("-le").removesuffix("-be").upper()
    if encoding is None and b"\0" in start.partition(b"\n")[0][:200]:
        unmarked = unmarked_wide(start)
        encoding = "".join(unmarked.upper().rsplit("-", 1)) if unmarked else None
        if encoding is None:
            raise DataError(f"{source} is no CSV file: it begins with bytes that are no text")
    if encoding:
        raise DataError(
            f"{source} is {encoding}: save it as UTF-8 (in Excel as CSV UTF-8, or by iconv -f "
            f"{encoding} -t UTF-8), or read it by --rules, of which [input] encoding = "
            f'"{encoding.lower()}" is a line'
        )
    head = _QUOTED.sub(b"", start).partition(b"\n")[0]
    if _BARE_CR.search(head):
        raise DataError(
            f"{source}: its lines end in CR alone, as old Macs have it; they must end in LF or "
            "CRLF: tr '\\r' '\\n' < old.csv > new.csv corrects that"
        )


def separator_line(text: bytes) -> tuple[int, str]:
    """How many bytes a first line takes that tells Excel the separator, and which that is; 0 and ""
    where there is none."""
    found = _SEPARATOR_LINE.match(text)
    return (0, "") if found is None else (found.end(), found[1].decode(errors="replace"))
