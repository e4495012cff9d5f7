"""Who was forgotten, staged for a run, so that its workers know them wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import RunError
from pipeline.graphs.staged_arrow import read_arrow, stage_arrow
from pipeline.warehouse import TableReader
from transforms.kernels.forgotten import ForgottenUsers
from transforms.state import forgotten_users, warehouse_settings

_HASH: Final = "user_hash"
_KEY: Final = b"key"
_WHAT: Final = "who was forgotten"


def read_forgotten(warehouse: TableReader) -> tuple[pa.ChunkedArray, str] | None:
    """The hashes of who was forgotten, and their key; None where nobody was.

    Raises:
        RunError: if they can't be read, or the key is lost.
    """
    if not warehouse.count(forgotten_users.TABLE):
        return None
    parts = list(warehouse.batches(forgotten_users.TABLE, [_HASH]))
    key = forgotten_key(warehouse)
    if key is None:
        raise RunError(
            f"{forgotten_users.TABLE.name} has rows, and {warehouse_settings.TABLE.name} lacks "
            f"their key ({forgotten_users.KEY}): without it nobody can tell whose events are to be "
            "dropped. Bring that row back from a backup; or empty that table, and forget again"
        )
    return pa.concat_tables(parts)[_HASH], key


def known_forgotten(warehouse: TableReader) -> ForgottenUsers | None:
    """Who was forgotten, for this process alone; None where nobody was.

    Raises:
        RunError: if it can't be read.
    """
    found = read_forgotten(warehouse)
    return None if found is None else forgotten_users.forgotten_of(*found)


def forgotten_key(warehouse: TableReader) -> str | None:
    """The key of a warehouse's hashes; None where it has none.

    Raises:
        RunError: if it can't be read.
    """
    if warehouse.count(warehouse_settings.TABLE) is None:
        return None
    found = warehouse_settings.settings_of(warehouse.read(warehouse_settings.TABLE))
    return found.get(forgotten_users.KEY)


def stage_forgotten(warehouse: TableReader, staging: str) -> StagedForgotten | None:
    """Stage who was forgotten; None where nobody was.

    Raises:
        RunError: if it can't be read or staged.
    """
    found = read_forgotten(warehouse)
    if found is None:
        return None
    hashes, key = found
    table = pa.table({_HASH: hashes}).replace_schema_metadata({_KEY: key})
    return StagedForgotten(stage_arrow(table, staging, "forgotten", _WHAT))


@dataclass(frozen=True)
class StagedForgotten:
    """Who was forgotten, in a staged file; a `Forgotten`.

    Attributes:
        path: the file, which launcher and workers reach.
    """

    path: str

    def among(self, user_ids: pa.Array) -> NDArray[np.bool_]:
        """See `Forgotten.among`.

        Raises:
            RunError: if the staged file can't be read.
        """
        return self._users.among(user_ids)

    @cached_property
    def _users(self) -> ForgottenUsers:
        table = read_arrow(self.path, _WHAT)
        key = (table.schema.metadata or {})[_KEY].decode()
        return forgotten_users.forgotten_of(table[_HASH], key)
