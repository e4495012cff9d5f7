"""Integers in few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.kernels import varints


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 300)))
def test_numbers_survive_their_encoding(numbers: list[int]) -> None:
    encoded = varints.encode(np.array(numbers, np.int64))
    assert varints.decode(encoded).tolist() == numbers


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**63 - 1, "ff" * 8 + "7f")],
)
def test_the_bytes_are_those_of_leb128(number: int, encoded: str) -> None:
    assert varints.encode(np.array([number])).hex() == encoded
