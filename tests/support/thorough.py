"""What `make test` tries in part and `.ci/run`, with THOROUGH=1, in whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import cycle, product
from typing import Final, TypeVar

import pytest

THOROUGH: Final = os.environ.get("THOROUGH") == "1"

thorough = pytest.mark.skipif(
    not THOROUGH, reason="repeats what other tests cover: THOROUGH=1 runs it, as .ci/run does"
)

T = TypeVar("T")
U = TypeVar("U")


def some(all_of_them: Sequence[T], quick: int) -> Sequence[T]:
    """The first few of some cases, or all of them."""
    return all_of_them if THOROUGH else all_of_them[:quick]


def paired(first: Sequence[T], second: Sequence[U]) -> list[tuple[T, U]]:
    """All pairs of cases of two kinds, or each of the first kind, of which there are more, once."""
    return list(product(first, second) if THOROUGH else zip(first, cycle(second), strict=False))


def examples(quick: int, thorough: int) -> int:
    """How many examples hypothesis tries."""
    return thorough if THOROUGH else quick
