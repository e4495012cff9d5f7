"""Where a CSV text is cut: always where a record begins, and mostly without reading all before."""

from __future__ import annotations

import io
import random
import re
from itertools import pairwise

import pytest

from transforms.kernels.csv_blocks import blocks
from transforms.kernels.csv_boundaries import record_boundaries
from transforms.kernels.csv_lines import MAX_RECORD_LINES, sure_start

ROW = b"2025-01-01T00:00:00Z,u1,like,,,iOS,paid,DE\n"
QUOTED = b'2025-01-01T00:00:00Z,u1,like,"a, ""b""",,iOS,paid,DE\r\n'
SPREAD = b'2025-01-01T00:00:00Z,u1,like,"a\n,,,,,,,\n2025,""\n",,iOS,paid,DE\n'
OPEN = b'2025-01-01T00:00:00Z,u1,"like,,,iOS,paid,DE\n'
BLANK = b"\n"
OTHERS = (ROW, QUOTED, SPREAD, OPEN, BLANK, b"\r\n", b',"",\n', b"caf\xe9,\n", "é,\n".encode())
# As many lines as a record may have, and one more, and their middle looks like rows.
LONGEST = b'2025,u1,like,"' + ROW * (MAX_RECORD_LINES - 1) + b'",,iOS,paid,DE\n'
TOO_LONG = b'2025,u1,like,"' + ROW * MAX_RECORD_LINES + b'",,iOS,paid,DE\n'


class Counted(io.BytesIO):
    """A text that counts the bytes that are read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        text = super().read(size)
        self.taken += len(text)
        return text


def starts_of(text: bytes) -> set[int]:
    """Where records and blank lines begin, read from the beginning."""
    ((_, lines, _),) = blocks(io.BytesIO(text), 8, 0, None, len(text))
    odd = [record.start for record in lines.odd]
    blank_lines = [match.end() for match in re.finditer(rb"\n\r?(?=\n)", text)]
    behind_blank_lines = [match.end() for match in re.finditer(rb"\n\r?\n", text)]
    plain = lines.starts.tolist()
    return {*plain, *odd, *lines.empty[:, 0].tolist(), *blank_lines, *behind_blank_lines, len(text)}


@pytest.mark.parametrize("odd_share", [0.0, 0.0005, 0.003])
def test_each_boundary_is_where_a_record_begins(odd_share: float) -> None:
    chance = random.Random(7)
    rows = [
        chance.choice((*OTHERS, LONGEST, TOO_LONG))
        if chance.random() < odd_share
        else chance.choice((ROW, QUOTED))
        for _ in range(10_000)
    ]
    text = b"".join(rows)
    starts, stream = starts_of(text), Counted(text)
    ends = list(record_boundaries(stream, 8, 0, 100_000))
    assert set(ends) <= starts
    assert ends[-1] == len(text)
    assert all(end - start >= 100_000 for start, end in pairwise([0, *ends[:-1]]))
    assert len(ends) >= len(text) // 400_000


def test_a_record_that_looks_like_rows_inside_is_not_cut() -> None:
    text = ROW * 3_000 + LONGEST + ROW * 3_000
    starts = starts_of(text)
    for place in range(0, len(text), 9_973):
        found = sure_start(text[place : place + 100_000])
        assert found is None or place + found in starts
    assert sure_start(LONGEST + ROW * 10) is None


def test_little_is_read_of_plain_rows() -> None:
    text = (ROW + QUOTED) * 50_000
    stream = Counted(text)
    ends = list(record_boundaries(stream, 8, 0, 1 << 20))
    assert len(ends) == len(text) // (1 << 20) + 1
    assert stream.taken <= len(ends) * (256 << 10)


def test_a_text_that_ends_sooner_than_it_was_long_is_not_read_forever() -> None:
    class Cut(io.BytesIO):
        def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
            return 10_000 if whence == io.SEEK_END else super().seek(offset, whence)

    assert list(record_boundaries(Cut(ROW * 3), 8, 0, 50))[-1] == 10_000
