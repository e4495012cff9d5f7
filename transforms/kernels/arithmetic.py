"""The arithmetic of the marts: exact integers, one division, NULL where there is none (rule 6, 7).

A FLOAT column under construction is float64 with NaN for NULL; `Table.build` turns it into NULL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Masks: TypeAlias = NDArray[np.bool_]

# The largest double below 2^63: a mean of INT64 values may round up to 2^63 itself.
_LARGEST = math.nextafter(2.0**63, 0)


def ratio(numerator: Ints, denominator: Ints) -> Floats:
    """numerator / denominator; NaN where the denominator is 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def percentage(part: Ints, whole: Ints) -> Floats:
    """(100 x part) / whole, 0-100; NaN where whole is 0."""
    return ratio(100 * part, whole)


def previous(values: Ints) -> Ints:
    """The value of the row before; 0 in the first row."""
    return np.concatenate(([0], values[:-1])).astype(np.int64)


def rounded(values: Floats) -> pa.Array:
    """Nearest integers, halves up, as int64; NULL where NaN."""
    missing = np.isnan(values)
    whole = np.minimum(np.floor(np.where(missing, 0, values) + 0.5), _LARGEST)
    return pa.array(whole.astype(np.int64), mask=missing)


def moving_sum(values: Ints, rows: int) -> tuple[Ints, Ints]:
    """The sum of the last `rows` values, this one included, and how many there are."""
    running = np.cumsum(values)
    window = running.copy()
    window[rows:] -= running[:-rows]
    return window, np.minimum(np.arange(1, len(values) + 1), rows)


def moving_average(values: Ints, rows: int) -> Floats:
    """The mean of the last `rows` rows that exist, this one included."""
    return ratio(*moving_sum(values, rows))


def moving_average_of_known(values: Floats, rows: int) -> Floats:
    """The mean of those of the last `rows` values that are not NaN; NaN where all are."""
    means = np.full(len(values), np.nan)
    for end in range(1, len(values) + 1):
        window = values[max(0, end - rows) : end]
        known = window[~np.isnan(window)]
        if len(known):
            means[end - 1] = math.fsum(known) / len(known)
    return means


def exact(values: Ints) -> NDArray[Any]:
    """The same numbers as Python integers, for comparisons whose products leave INT64."""
    return values.astype(object)


def first_that_holds(cases: Sequence[tuple[Masks, str]], otherwise: str | None) -> pa.Array:
    """Per row the label of the first case that holds, else `otherwise`."""
    masks = [np.asarray(mask, dtype=np.bool_) for mask, _ in cases]
    labels = np.array([*(label for _, label in cases), otherwise], dtype=object)
    holds = np.stack([*masks, np.ones_like(masks[0])])
    return pa.array(labels[holds.argmax(axis=0)], type=pa.string())
