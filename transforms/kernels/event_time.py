"""Text -> event time, for whole columns at once.

The grammar is ISO 8601's extended calendar format with seconds: `YYYY-MM-DD`, `T` or a space,
`HH:MM:SS`, optionally a point and fraction digits (those beyond the sixth are cut off), then `Z`,
` UTC`, an offset `+HH:MM`, `+HHMM` or `+HH` (or with `-`), or nothing, which is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.calendar import US_PER_DAY, US_PER_SECOND
from transforms.kernels.words import words_at

_SHORTEST: Final = len("2025-01-01T00:00:00")
_LONGEST: Final = len("2025-01-01T00:00:00.000000+00:00")
_LONG_FRACTION = re.compile(r"(.{19}\.[0-9]{6})[0-9]+", re.DOTALL)
_DIGITS: Final = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
_SEPARATORS: Final = ((4, b"-"), (7, b"-"), (10, b"T "), (13, b":"), (16, b":"))

_MONTH_STARTS: Final = (
    np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
)

_Bytes = NDArray[np.uint8]


def parse_event_times(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Event times of a string array without surrounding white space and NULLs.

    Returns:
        int64 [n], microseconds since 1970-01-01 UTC, and bool [n], whether the text is a time;
        where it is not, the number means nothing.
    """
    data, starts, lengths = _buffers(_shorten(texts))
    shortest = int(lengths.min(initial=_LONGEST))

    # Words of 8 bytes, gathered once: a gather for each byte takes twice as long in all.
    words = [words_at(data)[starts + at] for at in range(0, _LONGEST + 1, 8)]

    def byte(at: int) -> _Bytes:
        """The byte at an offset of each text; 0 behind its end."""
        column = (words[at // 8] >> np.uint64(8 * (at % 8))).astype(np.uint8)
        if at >= shortest:
            column[at >= lengths] = 0
        return column

    valid = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
    digit = {at: byte(at) - np.uint8(ord("0")) for at in _DIGITS}
    for column in digit.values():
        valid &= column <= 9
    for at, allowed in _SEPARATORS:
        separator = byte(at)
        valid &= np.logical_or.reduce([separator == letter for letter in allowed])
    days, known_date = _days(digit)
    hour, minute, second = (_number(digit, at) for at in ((11, 12), (14, 15), (17, 18)))
    valid &= known_date & (hour <= 23) & (minute <= 59) & (second <= 59)
    fraction, end, well_formed = _fraction(byte, lengths)
    offset, known_zone = _zone(data, starts, lengths, end)
    valid &= well_formed & known_zone
    seconds = (hour * 60 + minute - offset) * 60 + second
    return days * US_PER_DAY + seconds * US_PER_SECOND + fraction, valid


def _shorten(texts: pa.Array) -> pa.Array:
    """The texts, of those with more than six fraction digits the rest cut off."""
    lengths = np.diff(np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1])
    if int(lengths.max(initial=0)) <= _LONGEST:
        return texts
    values = texts.to_pylist()
    for row in np.flatnonzero(lengths > _LONGEST).tolist():
        values[row] = _LONG_FRACTION.sub(r"\1", values[row], count=1)
    return pa.array(values, pa.string())


def _buffers(texts: pa.Array) -> tuple[_Bytes, NDArray[np.int64], NDArray[np.int64]]:
    _, offsets_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[texts.offset :][: len(texts) + 1]
    begin, end = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
    data = np.zeros(end - begin + _LONGEST + 8, np.uint8)
    data[: end - begin] = np.frombuffer(data_buffer or b"", np.uint8)[begin:end]
    relative = offsets.astype(np.int64) - begin
    return data, relative[:-1], np.diff(relative)


def _number(digit: dict[int, _Bytes], places: tuple[int, ...]) -> NDArray[np.int64]:
    number = digit[places[0]].astype(np.int64)
    for place in places[1:]:
        number *= 10
        number += digit[place]
    return number


def _days(digit: dict[int, _Bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970-01-01, and whether there is such a date."""
    year, month, day = (_number(digit, places) for places in ((0, 1, 2, 3), (5, 6), (8, 9)))
    known = (month >= 1) & (month <= 12) & (year <= 9999)
    index = np.where(known, year * 12 + month - 1, 0)
    known &= (day >= 1) & (day <= _MONTH_STARTS[index + 1] - _MONTH_STARTS[index])
    return _MONTH_STARTS[index] + day - 1, known


def _fraction(
    byte: Callable[[int], _Bytes], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds, where the zone begins, and whether a point is followed by a digit."""
    has_point = byte(19) == ord(".")
    if not has_point.any():
        return np.zeros_like(lengths), np.full(len(lengths), 19), np.ones(len(lengths), np.bool_)
    micros = np.zeros(len(lengths), np.uint32)
    reading = has_point.copy()
    digits = np.zeros(len(lengths), np.uint8)
    for place in range(6):
        column = byte(20 + place) - np.uint8(ord("0"))
        reading &= column <= 9
        micros *= 10
        micros += (column * reading).astype(np.uint32)
        digits += reading
    for place in range(6, _LONGEST - 20):
        if not reading.any():
            break
        reading &= byte(20 + place) - np.uint8(ord("0")) <= 9
        digits += reading
    end = (19 + has_point.astype(np.uint8) + digits).astype(np.int64)
    return micros.astype(np.int64), end, ~has_point | (digits > 0)


def _zone(
    data: _Bytes,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    end: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Minutes ahead of UTC, and whether the text from `end` on is a zone."""
    offset = np.zeros(len(starts), np.int64)
    rest = lengths - end
    known = rest == 0
    # Rests longer than any zone count as one: a field of 10 MB would make as long a histogram.
    for width in np.flatnonzero(np.bincount(np.clip(rest, 0, 7))).tolist():
        rows = np.flatnonzero(rest == width)
        places = starts[rows] + end[rows]
        if width == 1:
            known[rows] = data[places] == ord("Z")
        elif width in (3, 4, 5, 6):
            text = [data[places + at] for at in range(width)]
            offset[rows], known[rows] = _offset(text)
            if width == 4:
                known[rows] = _spells(text, b" UTC")
                offset[rows] = 0
    return offset, known


def _spells(text: list[_Bytes], word: bytes) -> NDArray[np.bool_]:
    spelt: NDArray[np.bool_] = np.logical_and.reduce(
        [column == letter for column, letter in zip(text, word, strict=True)]
    )
    return spelt


def _offset(text: list[_Bytes]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Minutes of `+HH`, `+HHMM` or `+HH:MM`, and whether the columns of text spell one."""
    sign, *numbers = text
    known = (sign == ord("+")) | (sign == ord("-"))
    if len(numbers) == 5:
        known &= numbers.pop(2) == ord(":")
    digits = [column.astype(np.int64) - ord("0") for column in numbers]
    for column in digits:
        known &= (column >= 0) & (column <= 9)
    hours = digits[0] * 10 + digits[1]
    minutes = digits[2] * 10 + digits[3] if len(digits) == 4 else np.zeros_like(hours)
    known &= (hours <= 23) & (minutes <= 59)
    return np.where(sign == ord("-"), -1, 1) * (hours * 60 + minutes), known
