"""Random CSV files: what tools write, and what becomes of it on the way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final

from tests.fuzz.contract import COLUMNS

_SPACES: Final = ["", "", "", " ", "  ", "\t"]
_HOSTILE: Final = [
    b'"', b'""', b'","', b'"\n', b'",\n', b'\n"', b",", b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b" ",
    b' "', b'" ', b"\xff", b"\xc3", b"\xe2\x80", b"\xef\xbb\xbf", b"\xc2\xa0", b",,,,,,,\n", b"'",
]  # fmt: skip


def header(chance: random.Random) -> list[str]:
    """Names of columns, the source columns among them, in any order."""
    names = [*COLUMNS]
    if chance.random() < 0.5:
        names += chance.choices(
            ["note", "other, too", "e\nf", "", 'q"', "ids"], k=chance.randrange(4)
        )
        chance.shuffle(names)
    return names


def file_of(
    chance: random.Random, names: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> bytes:
    """Rows as a CSV file, in one of the styles that there are, some of them cut or widened."""
    end = chance.choice([b"\n", b"\n", b"\r\n"])
    lines = [_line(chance, [_around(chance, name) for name in names], 0.2)]
    for row in rows:
        fields = [row.get(name, chance.choice(["", "x", "a,b", 'c"d'])) for name in names]
        if chance.random() < 0.03:
            fields = _widened(chance, fields)
        lines.append(_line(chance, fields, 0.3))
        if chance.random() < 0.03:
            lines.append(chance.choice([b"", b"", b"," * (len(names) - 1), b",", b"\r"]))
    text = end.join(lines) + chance.choice([end, end, b""])
    return chance.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + text


def mutated(chance: random.Random, file: bytes) -> bytes:
    """A file with bytes removed, put in and exchanged behind its header.

    That is one line where this is done, or else nothing is.
    """
    begin = file.find(b"\n") + 1
    if not begin or b'"' in file[:begin]:
        return file
    pieces, at = [file[:begin]], begin
    for place in sorted(chance.sample(range(begin, len(file)), min(60, len(file) - begin))):
        if place < at:
            continue
        pieces += [file[at:place], chance.choice(_HOSTILE) if chance.random() < 0.8 else b""]
        at = place + chance.choice([0, 0, 1, 1, 2, 12])
    return b"".join([*pieces, file[at:]])


def _around(chance: random.Random, name: str) -> str:
    return chance.choice(_SPACES) + name + chance.choice(_SPACES)


def _widened(chance: random.Random, fields: list[str]) -> list[str]:
    at = chance.randrange(len(fields))
    return chance.choice([fields[:at], [*fields, ""], [*fields[:at], "", *fields[at:]]])


def _line(chance: random.Random, fields: Sequence[str], quoted: float) -> bytes:
    if chance.random() < 0.5:
        quoted = 0.0
    return ",".join(_field(chance, text, quoted) for text in fields).encode()


def _field(chance: random.Random, text: str, quoted: float) -> str:
    needs = any(letter in text for letter in ',"\n\r')
    if not needs and chance.random() >= quoted:
        return text
    written = '"' + text.replace('"', '""') + '"'
    if chance.random() < 0.1:
        written = chance.choice(_SPACES) + written + chance.choice(_SPACES)
    return written
