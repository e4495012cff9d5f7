"""The compression of blocks, and digests of texts, against one block at a time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import ids
from tests.support.thorough import examples
from transforms.kernels.compression import Permutation, compressed, digests, left, right
from transforms.kernels.text_blocks import Blocks, chunks


def as_blocks(values: list[bytes]) -> Blocks:
    return np.frombuffer(b"".join(values), "<u8").reshape(-1, 2)


def as_bytes(blocks: Blocks) -> list[bytes]:
    data = blocks.astype("<u8").tobytes()
    return [data[at : at + 16] for at in range(0, len(data), 16)]


def digests_of(texts: list[bytes | None]) -> list[bytes]:
    return as_bytes(digests(pa.array(texts, pa.binary())))


class TestPermutation:
    def test_it_is_the_cipher_of_the_standard(self) -> None:
        # FIPS 197, C.3.
        (block,) = as_bytes(
            Permutation(bytes(range(32)))(
                as_blocks([bytes.fromhex("00112233445566778899aabbccddeeff")])
            )
        )
        assert block.hex() == "8ea2b7ca516745bfeafc49904b496089"

    def test_each_block_is_permuted_by_itself(self) -> None:
        permutation = Permutation(bytes(32))
        values = [bytes([n]) * 16 for n in range(50)]
        expected = [ids.encrypted(bytes(32), value) for value in values]
        assert as_bytes(permutation(as_blocks(values))) == expected
        every_other = as_blocks(values)[::2]
        assert as_bytes(permutation(every_other)) == expected[::2]
        assert as_bytes(permutation(np.empty((0, 2), "<u8"))) == []


blocks = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.sampled_from([bytes(16), b"\xff" * 16, bytes(range(16))]),
)


class TestCompressed:
    @settings(deadline=None)
    @given(pairs=st.lists(st.tuples(blocks, blocks), max_size=6))
    def test_it_is_the_function_of_the_paper(self, pairs: list[tuple[bytes, bytes]]) -> None:
        ours = compressed(
            left(as_blocks([x for x, _ in pairs])), right(as_blocks([y for _, y in pairs]))
        )
        assert as_bytes(ours) == [ids.joined(x, y) for x, y in pairs]

    def test_the_four_permutations_differ(self) -> None:
        # With one permutation in three places collisions take 2^51 steps (Mennink, Preneel 2012).
        assert len(set(ids.KEYS)) == 4
        (zero,) = {bytes(16)}
        assert ids.joined(zero, bytes([1] * 16)) != ids.joined(bytes([1] * 16), zero)


lengths = st.sampled_from([0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 200])
texts = st.one_of(
    st.none(),
    lengths.flatmap(lambda length: st.binary(min_size=length, max_size=length)),
    st.binary(max_size=10).map(lambda tail: b"\x00" * 8 + tail),
)


class TestDigests:
    @settings(max_examples=examples(50, 150), deadline=None)
    @given(values=st.lists(texts, max_size=12), data=st.data())
    def test_a_digest_is_the_reference_in_any_company(
        self, values: list[bytes | None], data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(values)))
        length = data.draw(st.integers(0, len(values) - start))
        ours = digests(pa.array(values, pa.binary()).slice(start, length))
        assert as_bytes(ours) == [ids.digest(text) for text in values[start : start + length]]

    @pytest.mark.parametrize("fill", [b"\x00", b"a", b"\xff", "é".encode()])
    def test_prefixes_of_one_text_differ(self, fill: bytes) -> None:
        values: list[bytes | None] = [(fill * 200)[:length] for length in range(201)]
        ours = digests_of(values)
        assert ours == [ids.digest(text) for text in values]
        assert len(set(ours)) == 201

    def test_null_empty_and_their_likes_differ(self) -> None:
        number = (-1).to_bytes(8, "little", signed=True)
        values = [None, b"", b"\x00", b"\x00" * 16, b"null", number, number + bytes(8)]
        assert len(set(digests_of(values))) == len(values)

    def test_a_long_text_is_not_its_own_digest(self) -> None:
        long = b"x" * 65
        (block, *_) = ids.blocks_of(long)
        assert digests_of([long]) != digests_of([block])

    def test_null_behind_a_slice_is_null(self) -> None:
        values = [None if i % 3 else str(i).encode() for i in range(30)]
        for start, end in pairwise([0, 1, 9, 17, 30]):
            ours = digests(pa.array(values).slice(start, end - start))
            assert as_bytes(ours) == [ids.digest(text) for text in values[start:end]]

    def test_texts_of_more_than_one_chunk_are_each_one_digest(self) -> None:
        values = [f"user {i}" * (1 + i % 12) for i in range(40_000)]
        assert len(list(chunks(len(values)))) == 2
        ours = as_bytes(digests(pa.array(values)))
        assert len(set(ours)) == len(values)
        for row in (0, 32_767, 32_768, 39_999):
            assert ours[row] == ids.digest(values[row])

    def test_bits_are_even(self) -> None:
        ours = digests(pa.array([f"u{i}" for i in range(20_000)]))
        for word in (ours[:, 0], ours[:, 1], ours[:, 0] ^ ours[:, 1]):
            bits = (word[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
            # The share of ones of a fair bit strays by 0.0035; 0.02 is almost six times that.
            assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.02

    def test_a_fixed_digest_stays(self) -> None:
        assert [block.hex() for block in digests_of([b"u1", b"a" * 65, None])] == [
            "558ab4a8242a7e1b6c4a666fe5d150c4",
            "8edc7f086557738058fe6c310db3bd7e",
            "38927ed3f2d569a37cf036edd69c09ee",
        ]
