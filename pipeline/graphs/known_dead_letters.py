"""Dead letters of files that a warehouse has already: a file may be loaded that nobody noted.

So it is after a rebuild of tables that an earlier version wrote: loaded_files begins empty then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import RunError
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import StateReader
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.staged_files import StagedFiles
from transforms.contract import STRING, Table, required
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events

_ID: Final = "dead_letter_id"
_IDS: Final = Table(
    name="dead_letter_ids",
    description="Ids of dead letters.",
    columns=(required(_ID, STRING, "An id"),),
)


def stage_known(
    warehouse: StateReader, paths: Sequence[str], staging: str
) -> KnownDeadLetters | None:
    """Stage which dead letters of some files the warehouse has; None where it has none.

    Args:
        warehouse: its dead_letter_events are there.
        paths: of the files.
        staging: the staging folder.

    Raises:
        RunError: if they can't be read or staged.
    """
    sources = pa.table({"source": pa.array(paths, pa.string())})
    ids = warehouse.rows_with(dead_letter_events.TABLE, (_ID,), sources)
    if not ids.num_rows:
        return None
    files = StagedFiles(_IDS, staging, FileLayout())
    files.write(ids)
    (staged,) = files.close()
    return KnownDeadLetters(staged.path)


@dataclass(frozen=True)
class KnownDeadLetters:
    """Ids of dead letters in a staged file.

    Attributes:
        path: the file, which launcher and workers reach.
    """

    path: str

    @cached_property
    def ids(self) -> pa.Array:
        """They, as strings.

        Raises:
            RunError: if the staged file can't be read.
        """
        try:
            with storage.opened(self.path) as stream:
                return pq.read_table(stream)[_ID].combine_chunks()
        except storage_errors(pa.ArrowException) as error:
            raise RunError(
                f"{self.path}: staged ids can't be read ({storage_reason(error)}): see that nobody "
                "else clears that folder, and run again"
            ) from error

    def parted(self, letters: pa.Table) -> tuple[pa.Table, RunCounts]:
        """Those of some rows of dead_letter_events that are not known, and how many are.

        Raises:
            RunError: if the staged file can't be read.
        """
        known = pc.is_in(letters[_ID], value_set=self.ids)
        counts = RunCounts(known_dead_letters=pc.sum(known).as_py() or 0)
        return letters.filter(pc.invert(known)), counts
