"""Who is known by which ids, staged for a run, so that its workers know them wherever they are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.errors import RunError
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import TableReader
from transforms.kernels.person_ids import KnownPeople, Pairs
from transforms.state import known_people

_COLUMNS: Final = ("anonymous_id", "user_id")
_HASH: Final = "hash"
_KEY: Final = b"key"


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
    path = storage.join(staging, f"people-{uuid.uuid4().hex}.arrow")
    try:
        with storage.create(path) as stream, pa.ipc.new_file(stream, table.schema) as writer:
            # One batch: its columns are looked up in as they lie there.
            writer.write_table(table, max_chunksize=table.num_rows)
    except storage_errors() as error:
        raise RunError(
            f"can't stage who is known by which ids in {path} ({storage_reason(error)}): make "
            "room, see that you may write there, or stage elsewhere with --temp_location, and run "
            "again"
        ) from error
    return StagedPeople(path)


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
        try:
            # Of a file on this machine all processes share the pages.
            remote = "://" in self.path
            with storage.opened(self.path) if remote else pa.memory_map(self.path) as stream:
                table = pa.ipc.open_file(stream.read() if remote else stream).read_all()
        except storage_errors(pa.ArrowException) as error:
            raise RunError(
                f"{self.path}: who is known by which ids can't be read ({storage_reason(error)}): "
                "see that nobody else clears that folder, and run again"
            ) from error
        hashes, *ids = (column.combine_chunks() for column in table.columns)
        key = (table.schema.metadata or {})[_KEY]
        return KnownPeople(key, np.asarray(hashes), Pairs(*ids))
