"""128-bit hashes as two words and as digits."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.kernels.hashing import Hashes, ascii_array


@settings(max_examples=50, deadline=None)
@given(blocks=st.lists(st.binary(min_size=16, max_size=16), max_size=5))
def test_digits_are_those_of_the_bytes_and_sort_as_the_words_do(blocks: list[bytes]) -> None:
    hashes = Hashes.of(np.frombuffer(b"".join(blocks), "<u8").reshape(-1, 2))
    digits = [block.hex() for block in blocks]
    assert ascii_array(hashes.hex()).to_pylist() == digits
    words = list(zip(hashes.high.tolist(), hashes.low.tolist(), strict=True))
    assert [words.index(pair) for pair in sorted(words)] == [
        digits.index(text) for text in sorted(digits)
    ]
    backwards = hashes[np.arange(len(blocks))[::-1]]
    assert ascii_array(backwards.hex()).to_pylist() == digits[::-1]
    assert (
        ascii_array(Hashes.concat([hashes, backwards]).hex()).to_pylist() == digits + digits[::-1]
    )


def test_of_no_row_there_is_none() -> None:
    assert len(Hashes.none()) == 0
    assert ascii_array(Hashes.none().hex()).to_pylist() == []
