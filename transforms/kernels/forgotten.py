"""Users who were forgotten: known again by keyed hashes, and by nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.hashing import Hashes
from transforms.kernels.keyed_hashes import keyed_hashes

# What stands around a field in CSV and in JSON.
_BETWEEN_FIELDS: Final = re.compile(r"""[\s,;|:"'{}\[\]]+""")


class Forgotten(Protocol):
    """Who was forgotten."""

    def among(self, user_ids: pa.Array) -> NDArray[np.bool_]:
        """Which user ids are of users who were forgotten: bool [n].

        Args:
            user_ids: a string array without NULL.
        """


@dataclass(frozen=True)
class ForgottenUsers:
    """Who was forgotten, as hashes in memory: 16 bytes a user.

    Attributes:
        key: of the hashes, 32 bytes.
        hashes: of the users, in any order.
    """

    key: bytes
    hashes: Hashes

    def among(self, user_ids: pa.Array) -> NDArray[np.bool_]:
        """See `Forgotten.among`."""
        known = self._ascending
        found = Hashes.of(keyed_hashes(user_ids, self.key))
        if not len(known):
            return np.zeros(len(found), np.bool_)
        at = np.minimum(np.searchsorted(known.high, found.high), len(known) - 1)
        alike: NDArray[np.bool_] = known.high[at] == found.high
        # Two hashes that share their upper half are as good as impossible, and no harm here.
        rows = np.flatnonzero(alike)
        alike[rows] = np.isin(found.low[rows], known.low)
        return alike

    @cached_property
    def _ascending(self) -> Hashes:
        return self.hashes[np.argsort(self.hashes.high)]


def mentioning(forgotten: Forgotten, payloads: list[bytes]) -> NDArray[np.bool_]:
    """Which records that have no columns hold the id of a forgotten user as a whole field.

    Args:
        forgotten: who was forgotten.
        payloads: records that could not be split into columns: [n].
    """
    fields = [_fields(payload) for payload in payloads]
    record = np.repeat(np.arange(len(fields)), [len(found) for found in fields])
    flat = pa.array([field for found in fields for field in found], pa.string())
    theirs = np.zeros(len(fields), np.bool_)
    theirs[record[forgotten.among(flat)]] = True
    return theirs


def _fields(payload: bytes) -> set[str]:
    """What may be a field of a record, however it is broken."""
    text = payload.decode(errors="replace")
    by_comma = {field.strip().strip('"').strip() for field in text.split(",")}
    return {*by_comma, *_BETWEEN_FIELDS.split(text)} - {""}
