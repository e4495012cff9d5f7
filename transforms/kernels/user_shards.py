"""Which shard a user belongs to, so that nobody who chooses user ids can choose it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.keyed_hashes import keyed_hashes


def shard_key(run: str) -> bytes:
    """The key of a run's shards, 32 bytes: the same wherever and whenever the run goes on.

    Args:
        run: the run's id, which has a random part and is unknown before the run begins.
    """
    return hashlib.sha256(b"growth pipeline shards " + run.encode()).digest()


def user_shards(user_ids: pa.Array, key: bytes, shards: int) -> NDArray[np.uint16]:
    """The shard of each user: uint16 [n], from 0 to `shards` - 1.

    Of a keyed hash: 150,000 users in 64 shards are 2,344 +- 48 in each, whatever their names.

    Args:
        user_ids: a string array without NULL.
        key: 32 bytes, of `shard_key`.
        shards: 1 to 65,536.
    """
    words = keyed_hashes(user_ids, key)[:, 0]
    return (words % np.uint64(shards)).astype(np.uint16)


def by_user_shard(
    rows: pa.RecordBatch, key: bytes, shards: int
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of each shard's users, with its number; no shard without a row.

    Args:
        rows: with a column user_id.
        key, shards: as in `user_shards`.
    """
    shard = user_shards(rows["user_id"], key, shards)
    order = np.argsort(shard, kind="stable")
    rows = rows.take(pa.array(order))
    present, starts = np.unique(shard[order], return_index=True)
    ends = np.append(starts[1:], len(order))[: len(starts)]
    for number, start, end in zip(present.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield number, rows.slice(start, end - start)
