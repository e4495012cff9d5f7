"""Hashes of columns, against a plain loop over one value's words."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.kernels.hashing import (
    Hashes,
    hash_integers,
    hash_labels,
    hash_strings,
    hex_array,
)

SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)
STEPS = (0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
ALL_ONES = 2**64 - 1

Pair = tuple[int, int]


def mix(word: int, step: int) -> int:
    """SplitMix64's step and finalizer."""
    word = (word + step) & ALL_ONES
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & ALL_ONES
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & ALL_ONES
    return word ^ word >> 31


def absorb(state: Pair, word: int) -> Pair:
    return mix(state[0] ^ word, STEPS[0]), mix(state[1] ^ word, STEPS[1])


def reference(value: bytes | None) -> Pair:
    if value is None or len(value) > 64:
        text = b"\x00null" if value is None else b"text" + value
        digest = hashlib.blake2b(text, digest_size=16).digest()
        return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    state = SEEDS
    for at in range(0, len(value), 8):
        state = absorb(state, int.from_bytes(value[at : at + 8], "little"))
    return absorb(state, len(value))


def pairs(hashes: Hashes) -> list[Pair]:
    return list(zip(hashes.high.tolist(), hashes.low.tolist(), strict=True))


lengths = st.sampled_from([0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 200])
values = st.one_of(
    st.none(),
    lengths.flatmap(lambda length: st.binary(min_size=length, max_size=length)),
    st.binary(max_size=10).map(lambda tail: b"\x00" * 8 + tail),
)


class TestStrings:
    @settings(max_examples=150, deadline=None)
    @given(texts=st.lists(values, max_size=12), data=st.data())
    def test_hash_is_the_reference_in_any_company(
        self, texts: list[bytes | None], data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(texts)))
        length = data.draw(st.integers(0, len(texts) - start))
        hashes = hash_strings(pa.array(texts, pa.binary()).slice(start, length))
        assert pairs(hashes) == [reference(text) for text in texts[start : start + length]]

    @pytest.mark.parametrize("fill", [b"\x00", b"a", b"\xff", "é".encode()])
    def test_prefixes_of_one_text_differ(self, fill: bytes) -> None:
        texts = [(fill * 200)[:length] for length in range(201)]
        hashes = pairs(hash_strings(pa.array(texts, pa.binary())))
        assert hashes == [reference(text) for text in texts]
        assert hashes == [pairs(hash_strings(pa.array([text], pa.binary())))[0] for text in texts]
        assert len({high for high, _ in hashes}) == len({low for _, low in hashes}) == 201

    def test_null_empty_and_their_likes_differ(self) -> None:
        texts = [None, "", "\x00", "\x00null", "null", "text", "textnull"]
        assert len(set(pairs(hash_strings(pa.array(texts))))) == len(texts)

    def test_null_after_a_slice_is_null(self) -> None:
        texts = [None if i % 3 else str(i) for i in range(30)]
        for start, end in pairwise([0, 1, 9, 17, 30]):
            hashes = hash_strings(pa.array(texts).slice(start, end - start))
            assert pairs(hashes) == [
                reference(text.encode() if text else None) for text in texts[start:end]
            ]

    def test_no_two_of_two_hundred_thousand_collide_in_either_half(self) -> None:
        numbers = np.arange(100_000).astype(str)
        texts = np.concatenate([np.char.add("u", numbers), np.char.add(numbers, ":user-0001")])
        hashes = hash_strings(pa.array(texts))
        assert len(np.unique(hashes.high)) == len(np.unique(hashes.low)) == 200_000

    def test_halves_are_independent_and_bits_even(self) -> None:
        hashes = hash_strings(pa.array([f"u{i}" for i in range(20_000)]))
        for half in (hashes.high, hashes.low, hashes.high ^ hashes.low):
            bits = (half[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
            # The share of ones of a fair bit strays by 0.0035; 0.02 is almost six times that.
            assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.02

    def test_a_fixed_hash_stays(self) -> None:
        digits = hash_strings(pa.array(["u1", "a" * 65, None])).hex()
        assert hex_array(digits).to_pylist() == [
            "5389c68fb9c51c38087b531ab87b56d5",
            "8ae0a570522f1602948a6dc3e8f94ed2",
            "70e0915ce900163df29c99ccd66afda0",
        ]


class TestLabels:
    @settings(max_examples=80, deadline=None)
    @given(
        texts=st.lists(st.sampled_from([None, "", "a", "b", "x" * 70]), max_size=10),
        order=st.permutations(["", "a", "b", "x" * 70, "unused"]),
        salt=st.integers(0, 7),
    )
    def test_hash_is_that_of_the_value_whatever_the_dictionary(
        self, texts: list[str | None], order: list[str], salt: int
    ) -> None:
        indices = pa.array([None if t is None else order.index(t) for t in texts], pa.int32())
        column = pa.DictionaryArray.from_arrays(indices, pa.array(order))
        expected = [absorb(reference(t if t is None else t.encode()), salt) for t in texts]
        assert pairs(hash_labels(column, salt)) == expected
        assert pairs(hash_labels(column.slice(1), salt)) == expected[1:]

    def test_empty_dictionary_has_null_alone(self) -> None:
        column = pa.DictionaryArray.from_arrays(
            pa.array([None], pa.int32()), pa.array([], "string")
        )
        assert pairs(hash_labels(column, 3)) == [absorb(reference(None), 3)]


class TestIntegers:
    @settings(max_examples=80, deadline=None)
    @given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1)), salt=st.integers(0, 7))
    def test_hash_is_the_reference(self, numbers: list[int], salt: int) -> None:
        hashes = hash_integers(np.array(numbers, np.int64), salt)
        expected = [absorb(absorb(SEEDS, salt), number & ALL_ONES) for number in numbers]
        assert pairs(hashes) == expected

    def test_columns_with_the_same_numbers_differ(self) -> None:
        numbers = np.arange(1000)
        hashes = [pair for salt in range(8) for pair in pairs(hash_integers(numbers, salt))]
        assert len({high for high, _ in hashes}) == len({low for _, low in hashes}) == 8000


class TestHashes:
    def test_sum_is_lane_by_lane_and_wraps(self) -> None:
        one, most = (np.array([n], np.uint64) for n in (1, ALL_ONES))
        assert pairs(Hashes(one, most) + Hashes(one, one)) == [(2, 0)]

    @settings(max_examples=50, deadline=None)
    @given(words=st.lists(st.tuples(*[st.integers(0, ALL_ONES)] * 2), max_size=5))
    def test_hex_is_sixteen_digits_of_each_half(self, words: list[Pair]) -> None:
        halves = np.array(words, np.uint64).reshape(-1, 2)
        hashes = Hashes(halves[:, 0].copy(), halves[:, 1].copy())
        expected = [f"{high:016x}{low:016x}" for high, low in words]
        assert hex_array(hashes.hex()).to_pylist() == expected
        assert pairs(hashes[np.arange(len(words))[::-1]]) == words[::-1]
