"""Who is known by which ids, staged for a run, so that its workers know them wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.graphs.staged_arrow import read_arrow, stage_arrow
from pipeline.warehouse import TableReader
from transforms.kernels.person_ids import KnownPeople, Pairs
from transforms.state import known_people

_COLUMNS: Final = ("anonymous_id", "user_id")
_HASH: Final = "hash"
_KEY: Final = b"key"
_WHAT: Final = "who is known by which ids"


def read_people(warehouse: TableReader) -> Pairs:
    """The pairs that a warehouse notes.

    Raises:
        RunError: if they can't be read.
    """
    if not warehouse.count(known_people.TABLE):
        return Pairs.none()
    return known_people.pairs_of(
        pa.concat_tables(warehouse.batches(known_people.TABLE, list(_COLUMNS)))
    )


def known_by_tables(warehouse: TableReader) -> KnownPeople | None:
    """Who is known by which ids, for this process alone; None where nobody is by several.

    Raises:
        RunError: if it can't be read.
    """
    found = read_people(warehouse)
    return KnownPeople.of(found) if len(found) else None


def stage_people(pairs: Pairs, staging: str) -> StagedPeople | None:
    """Stage pairs; None where there are none.

    Raises:
        RunError: if they can't be staged.
    """
    if not len(pairs):
        return None
    found = KnownPeople.of(pairs)
    columns = [pa.array(found.hashes), found.pairs.anonymous_ids, found.pairs.user_ids]
    table = pa.table(columns, names=[_HASH, *_COLUMNS])
    table = table.replace_schema_metadata({_KEY: found.key})
    return StagedPeople(stage_arrow(table, staging, "people", _WHAT))


@dataclass(frozen=True)
class StagedPeople:
    """Who is known by which ids, in a staged file; a `People`.

    Attributes:
        path: the file, which launcher and workers reach.
    """

    path: str

    def known(self, user_ids: pa.Array) -> pa.Array:
        """See `People.known`.

        Raises:
            RunError: if the staged file can't be read.
        """
        return self._people.known(user_ids)

    def loaded(self) -> KnownPeople:
        """See `People.loaded`."""
        return self._people

    @cached_property
    def _people(self) -> KnownPeople:
        table = read_arrow(self.path, _WHAT)
        hashes, *ids = (column.combine_chunks() for column in table.columns)
        key = (table.schema.metadata or {})[_KEY]
        return KnownPeople(key, np.asarray(hashes), Pairs(*ids))
