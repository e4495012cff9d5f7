"""What a file is, by its first bytes and its name."""

from __future__ import annotations

import json
import re
from typing import Final

from transforms.data_error import DataError
from transforms.kernels.input_formats import Compression, Given, Kind, kind_of

PARQUET_MAGIC: Final = b"PAR1"
_COMPRESSED: Final[dict[bytes, Compression]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # An archive of no files.
}
_SUFFIXES: Final[dict[str, Compression]] = {
    ".gz": "gzip",
    ".zst": "zstd",
    ".bz2": "bzip2",
    ".zip": "zip",
}
_JSON_LINES: Final = (".jsonl", ".ndjson")
# Lines that are looked at for a JSON object.
_LOOKED_AT: Final = 100
_PRETTY: Final = re.compile(rb"[{\[]\s*(?:[{}\[\]\"]|\Z)")


def guessed_compression(start: bytes, path: str) -> Compression:
    """How a file is compressed, by its first bytes.

    Raises:
        DataError: if its name says that it is, and it is not.
    """
    found: Compression = "none"
    for magic, kind in _COMPRESSED.items():
        if start.startswith(magic):
            found = kind
    named = next((kind for end, kind in _SUFFIXES.items() if path.lower().endswith(end)), None)
    if named and found != named:
        empty = "" if start else " (it is empty)"
        raise DataError(
            f"{path} is no {named} file, though its name ends in {path[path.rfind('.') :]}{empty}: "
            "upload it again, or rename it to what it is"
        )
    return found


def bare_name(path: str) -> str:
    """A file's name in lower case, without the ending of its compression."""
    name = path.lower()
    return next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name)


def guessed_kind(text: bytes, path: str, given: Given) -> Kind:
    """What a file is, decompressed.

    Parquet says so itself. A text is JSON lines where one of its first lines is a JSON object, or
    its name says so; JSON where it begins as an array or as an object over several lines; all
    others are CSV.

    Args:
        text: its beginning in UTF-8, without a byte order mark.
        path: its name.
        given: what is known of it.

    Raises:
        DataError: if its name says Parquet, and it is none.
    """
    if given.format:
        return kind_of(given.format)
    name = bare_name(path)
    if name.endswith(".parquet"):
        raise DataError(f"{path} is no Parquet file, though its name ends so: upload it again")
    if name.endswith(_JSON_LINES):
        return "jsonl"
    start = text.lstrip(b" \t\r\n")
    if not start.startswith((b"{", b"[")):
        if name.endswith(".json") and start:
            raise DataError(
                f"{path} is no JSON file, though its name ends so: it begins with "
                f"{start[:40].decode(errors='replace')!r}; name its format in the rules, e.g. "
                '[input] format = "csv"'
            )
        return "csv"
    if start.startswith(b"{") and any(map(_is_object, start.splitlines()[:_LOOKED_AT])):
        return "jsonl"
    return "json" if name.endswith(".json") or _PRETTY.match(start) else "csv"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
