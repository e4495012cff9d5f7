"""The rules of single source fields: what is taken, how it is written, what is refused.

Fields with few distinct values travel as Arrow dictionaries, and their rules are plain functions
of one value, applied once to each distinct value of a batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.vocabulary import PLATFORMS

# Of events with this many miles it takes 9,223,372 before a sum can leave INT64 (9.2e18).
MOST_MILES: Final = 10**12
ABSENT: Final = -1
REFUSED: Final = -2
TOO_MANY: Final = -3

# Possessive: a field of zeros and a letter at the end fails in one pass, however long it is.
_WHOLE = re.compile(r"([0-9]++)(?:\.0++)?")
_PLAIN_DIGITS: Final = "^[0-9]{1,18}$"
# What shows nothing by itself: white space, controls, and Unicode's Default_Ignorable_Code_Point
# (zero-width characters, marks of direction, byte order marks, variation selectors, fillers).
_UNSEEN: Final = (
    r"\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BLANK = re.compile(f"[{_UNSEEN}]*+")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
# The first bytes of such characters in UTF-8; of other letters few begin with them.
_BEGINS_UNSEEN: Final = np.zeros(256, np.bool_)
_BEGINS_UNSEEN[[*range(0x21), 0x7F, 0xC2, 0xCD, 0xD8, 0xE1, 0xE2, 0xE3, 0xEF, 0xF0, 0xF3]] = True
_PLATFORM_CODES: Final = {name.lower(): code for code, name in enumerate(PLATFORMS)}


def event_type_code(event_types: Sequence[str]) -> Callable[[str], int]:
    """The rule that gives the index of an event type among known ones; REFUSED for anything
    else."""
    by_name = {name: code for code, name in enumerate(event_types)}
    return lambda text: by_name.get(text.strip(), REFUSED)


def platform_code(text: str) -> int:
    """The index of a platform in PLATFORMS, whatever its case; REFUSED for anything else."""
    return _PLATFORM_CODES.get(text.strip().lower(), REFUSED)


def category(text: str) -> str | None:
    """A transaction category: trimmed, None if empty."""
    return text.strip() or None


def utm_source(text: str) -> str | None:
    """A utm_source: trimmed and lower-cased, None if empty."""
    return text.strip().lower() or None


def country(text: str) -> str | None:
    """A country: two letters, upper-cased; None if empty.

    Raises:
        ValueError: if it is anything else.
    """
    code = text.strip()
    if not code:
        return None
    if not _COUNTRY.fullmatch(code):
        raise ValueError(f"country {code!r} is not two letters")
    return code.upper()


def miles_amount(text: str) -> int:
    """A whole number up to MOST_MILES; TOO_MANY above, ABSENT if empty, REFUSED otherwise.

    The two miles types need one; that of other events is left out (parse.py).
    """
    amount = text.strip()
    if not amount:
        return ABSENT
    whole = _WHOLE.fullmatch(amount)
    if whole is None:
        return REFUSED
    digits = whole[1].lstrip("0") or "0"
    # Python converts 4,300 digits at most.
    too_many = len(digits) > len(str(MOST_MILES)) or int(digits) > MOST_MILES
    return TOO_MANY if too_many else int(digits)


def codes(column: pa.DictionaryArray, rule: Callable[[str], int]) -> NDArray[np.int64]:
    """The integer that a rule gives each value: int64 [n]."""
    by_value = np.array([rule(text) for text in column.dictionary.to_pylist()], np.int64)
    rows: NDArray[np.int32] = column.indices.to_numpy()
    return by_value[rows]


def amounts(column: pa.DictionaryArray) -> NDArray[np.int64]:
    """`miles_amount` of each value: int64 [n]; values of plain digits are converted together."""
    values = column.dictionary
    plain = pc.match_substring_regex(values, _PLAIN_DIGITS)
    by_value = np.full(len(values), ABSENT, np.int64)
    is_plain = plain.to_numpy(zero_copy_only=False)
    numbers = values.filter(plain).cast(pa.int64()).to_numpy()
    by_value[is_plain] = np.where(numbers > MOST_MILES, TOO_MANY, numbers)
    for row in np.flatnonzero(~is_plain).tolist():
        by_value[row] = miles_amount(values[row].as_py())
    rows: NDArray[np.int32] = column.indices.to_numpy()
    return by_value[rows]


def labels(
    column: pa.DictionaryArray, rule: Callable[[str], str | None]
) -> tuple[pa.DictionaryArray, NDArray[np.bool_]]:
    """The labels that a rule gives, NULL for None, and the rows whose value it refuses.

    Returns:
        A dictionary array of n strings whose dictionary has no repeated value, and bool [n].
    """
    distinct: dict[str, int] = {}
    indices, refused = [], []
    for text in column.dictionary.to_pylist():
        try:
            label = rule(text)
            refused.append(False)
        except ValueError:
            label = None
            refused.append(True)
        indices.append(-1 if label is None else distinct.setdefault(label, len(distinct)))
    rows = column.indices.to_numpy()
    by_row = np.array(indices, np.int32)[rows]
    encoded = pa.DictionaryArray.from_arrays(
        pa.array(by_row, pa.int32(), mask=by_row < 0), pa.array(list(distinct), pa.string())
    )
    return encoded, np.array(refused, np.bool_)[rows]


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space, zero-width characters, controls alone."""
    return _BLANK.fullmatch(text) is not None


def blank(column: pa.Array) -> NDArray[np.bool_]:
    """Which texts of a trimmed string array show nothing: bool [n]."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    mask: NDArray[np.bool_] = np.diff(offsets) == 0
    filled = np.flatnonzero(~mask)
    suspects = filled[_BEGINS_UNSEEN[data[offsets[filled]]]]
    if len(suspects):
        texts = column.take(pa.array(suspects)).to_pylist()
        mask[suspects] = [is_blank(text) for text in texts]
    return mask


def trimmed(column: pa.Array) -> pa.Array:
    """A string array without surrounding white space."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :][: len(column) + 1]
    data = np.frombuffer(column.buffers()[2] or b"", np.uint8)
    filled = np.flatnonzero(np.diff(offsets))
    first, last = data[offsets[filled]], data[offsets[filled + 1] - 1]
    # White space is at most U+0020 in ASCII and begins beyond U+007F elsewhere.
    suspects = filled[(first <= 0x20) | (first >= 0x80) | (last <= 0x20) | (last >= 0x80)]
    if not len(suspects):
        return column
    mask = np.zeros(len(column), np.bool_)
    mask[suspects] = True
    texts = column.take(pa.array(suspects)).to_pylist()
    return pc.replace_with_mask(
        column, pa.array(mask), pa.array([text.strip() for text in texts], pa.string())
    )
