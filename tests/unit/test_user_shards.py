"""Shards of users: a keyed hash, the same for a user wherever a key is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import ids
from tests.support.tables import csv_text, parse, row
from transforms.events import _split
from transforms.kernels.user_shards import shard_key, user_shards
from transforms.streaming.sums import split_by_user

KEY = shard_key("run")
KEYS = [shard_key(f"run {number}") for number in range(5)]


def reference(user: str, key: bytes, shards: int) -> int:
    """CBC-MAC, the length first."""
    *blocks, length = ids.blocks_of(user.encode())
    state = ids.encrypted(key, length)
    for block in blocks:
        state = ids.encrypted(key, ids.xor(state, block))
    return int.from_bytes(state[:8], "little") % shards


def shards_of(users: list[str], key: bytes, shards: int) -> list[int]:
    found: list[int] = user_shards(pa.array(users, pa.string()), key, shards).tolist()
    return found


@settings(deadline=None)
@given(
    users=st.lists(st.one_of(st.text(max_size=70), st.sampled_from(["", "u" * 64, "u" * 65]))),
    shards=st.sampled_from([1, 2, 64, 1_000, 65_536]),
    key=st.sampled_from(KEYS),
)
def test_a_shard_is_the_reference_in_any_company(users: list[str], shards: int, key: bytes) -> None:
    found = shards_of(users, key, shards)
    assert found == [reference(user, key, shards) for user in users]
    assert shards_of(users[::-1], key, shards) == found[::-1]


def test_shards_of_more_than_one_chunk_and_behind_an_offset() -> None:
    users = [f"u{n}" for n in range(40_000)]
    found = shards_of(users, KEY, 64)
    column = pa.array(users).slice(32_767, 2)
    assert user_shards(column, KEY, 64).tolist() == found[32_767:32_769]
    assert found[32_767:32_769] == [reference(user, KEY, 64) for user in users[32_767:32_769]]


def test_users_who_share_a_shard_under_one_key_are_spread_by_another() -> None:
    candidates = [f"crafted {n}" for n in range(400_000)]
    crafted = [
        user
        for user, shard in zip(candidates, shards_of(candidates, KEY, 64), strict=True)
        if not shard
    ]
    assert len(crafted) > 5_000
    for key in KEYS:
        counts = np.bincount(shards_of(crafted, key, 64), minlength=64)
        # The mean is 98, the standard deviation 9.8: six of them are 59.
        assert abs(counts - len(crafted) / 64).max() < 6 * (len(crafted) / 64) ** 0.5


def test_a_key_is_that_of_its_run() -> None:
    assert len(shard_key("run")) == 32
    assert shard_key("run") == shard_key("run") != shard_key("run2")
    assert len({tuple(shards_of(["ann", "bob", "cy", "dé"] * 4, key, 65_536)) for key in KEYS}) == 5


def test_a_fixed_shard_stays() -> None:
    assert shards_of(["u1", "u" * 65], KEY, 64) == [6, 29]


@pytest.mark.parametrize("key", KEYS)
def test_batch_and_stream_keep_a_user_in_one_shard(key: bytes) -> None:
    users = [f"u{n % 50}" for n in range(500)]
    rows = [row(f"2024-01-01T00:{n % 60:02}:00Z", user) for n, user in enumerate(users)]
    parts = parse(csv_text(rows), block_bytes=2_000)
    split = [pair for part in parts for pair in _split(part, 7, key)]
    of_user: dict[str, set[int]] = {}
    for shard, events in split:
        for user in events.column("user_id").to_pylist():
            of_user.setdefault(user, set()).add(shard)
    assert sum(len(events) for _, events in split) == len(rows)
    assert of_user == {user: {reference(user, key, 7)} for user in set(users)}
    table = pa.table({"user_id": pa.array(users).dictionary_encode(), "n": range(500)})
    found = {shard: part for shard, (_, part) in split_by_user(("users", table), 7, key)}
    assert {
        shard: set(part["user_id"].cast(pa.string()).to_pylist()) for shard, part in found.items()
    } == {shard: {u for u in users if of_user[u] == {shard}} for shard in found}
    assert sum(part.num_rows for part in found.values()) == 500
