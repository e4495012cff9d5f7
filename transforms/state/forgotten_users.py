"""forgotten_users: one row per user whose events are dropped, whatever brings them."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, required
from transforms.data_error import DataError
from transforms.kernels.forgotten import ForgottenUsers
from transforms.kernels.hashing import Hashes, ascii_array
from transforms.kernels.keyed_hashes import keyed_hashes
from transforms.kernels.text_blocks import BLOCK_BYTES

TABLE = Table(
    name="forgotten_users",
    description="One row per user who was forgotten, by a hash that nobody can lead back without "
    "the warehouse's key.",
    columns=(
        required("user_hash", STRING, "A keyed hash of the user id"),
        required("forgotten_at", TIMESTAMP, "When the user was forgotten"),
        required("run_id", STRING, "The run that did it"),
    ),
    primary_key=("user_hash",),
    written_at="forgotten_at",
)

# Of warehouse_settings: the key of the hashes, as hexadecimal digits.
KEY: Final = "forgotten_users_key"
_KEY_BYTES: Final = 32


def new_key() -> str:
    """A key for a warehouse that has none yet, as warehouse_settings holds it."""
    return secrets.token_hex(_KEY_BYTES)


def rows(user_ids: pa.Array, key: str, forgotten_at: datetime, run: str) -> pa.Table:
    """The rows of forgotten_users for some users, in the order of their hashes: that of the user
    ids would tell something.

    Args:
        user_ids: a string array without NULL, each once.
        key: the warehouse's.
        forgotten_at: in UTC without a zone.
        run: the run's id.
    """
    hashes = ascii_array(Hashes.of(keyed_hashes(user_ids, bytes.fromhex(key))).hex())
    found = TABLE.build(
        {
            "user_hash": hashes,
            "forgotten_at": pa.scalar(forgotten_at, pa.timestamp("us")),
            "run_id": pa.scalar(run),
        }
    )
    return found.sort_by("user_hash")


def forgotten_of(user_hashes: pa.ChunkedArray, key: str) -> ForgottenUsers:
    """Who was forgotten, by the column user_hash.

    Raises:
        DataError: if a hash or the key is none.
    """
    try:
        hashes = b"".join(_bytes(text, BLOCK_BYTES) for text in user_hashes.to_pylist())
        blocks = np.frombuffer(hashes, "<u8").reshape(-1, 2)
        return ForgottenUsers(_bytes(key, _KEY_BYTES), Hashes.of(blocks))
    except ValueError as error:
        raise DataError(
            f"{TABLE.name} or its key in warehouse_settings holds what is no hash ({error}): "
            "another program has written it; bring back what was there, or whoever was forgotten "
            "comes back with the next run"
        ) from error


def _bytes(digits: str, size: int) -> bytes:
    found = bytes.fromhex(digits)
    if len(found) != size:
        raise ValueError(f"{digits!r} has not {2 * size} hexadecimal digits")
    return found
