"""The corrections of earlier replays, staged for a batch run, and looked up by its workers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import RunError
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse import TableReader
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.staged_files import StagedFiles
from transforms.kernels.source_ids import CONFLICTING
from transforms.marts.registry import CORRECTIONS
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS

# A worker holds the ids (40 bytes a correction) and one such group of corrections at a time.
_GROUP_ROWS: Final = 2_000
_ID: Final = "dead_letter_id"
_ID_BYTES: Final = 32
_NOWHERE: Final = pa.array([], pa.string())
_NONE: Final = pa.scalar("")


def stage_corrections(warehouse: TableReader, staging: str) -> StagedCorrections | None:
    """Stage what earlier replays have corrected; None where they have corrected nothing.

    Raises:
        RunError: if the corrections can't be read or staged.
    """
    if not warehouse.count(CORRECTIONS):
        return None
    files = StagedFiles(CORRECTIONS, staging, FileLayout())
    there = warehouse.columns([CORRECTIONS])[CORRECTIONS.name]
    columns = [name for name in CORRECTIONS.column_names if name in there]
    for found in warehouse.batches(CORRECTIONS, columns):
        part = _with_event_ids(found)
        for start in range(0, part.num_rows, _GROUP_ROWS):
            files.write(part.slice(start, _GROUP_ROWS))
    paths = [file.path for file in files.close()]
    return StagedCorrections(paths[0]) if paths else None


def _with_event_ids(rows: pa.Table) -> pa.Table:
    """Rows of CORRECTIONS, those too that a version without event_id has written."""
    found = {name: rows[name] for name in rows.column_names}
    ids = found.get(EVENT_ID)
    return CORRECTIONS.build({**found, EVENT_ID: _NONE if ids is None else ids.fill_null("")})


@dataclass(frozen=True)
class StagedCorrections:
    """Corrections in a staged file; a `Corrections`.

    Attributes:
        path: the file, which launcher and workers reach.
    """

    path: str

    def find(self, ids: pa.ChunkedArray) -> pa.Table:
        """See `Corrections.find`.

        Raises:
            RunError: if the staged file can't be read.
        """
        try:
            return self._file.rows(self._file.places(ids))
        except storage_errors(pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def conflicting(self, source: str) -> pa.Array:
        """See `Corrections.conflicting`.

        Raises:
            RunError: if the staged file can't be read.
        """
        try:
            return self._file.conflicting.get(source, _NOWHERE)
        except storage_errors(pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> RunError:
        return RunError(
            f"{self.path}: staged corrections can't be read ({storage_reason(error)}): see "
            "that nobody else clears that folder, and run again"
        )

    @cached_property
    def _file(self) -> _CorrectionsFile:
        return _CorrectionsFile.of(storage.opened(self.path))


@dataclass(frozen=True)
class _CorrectionsFile:
    """A staged file that is open.

    Attributes:
        parquet: its rows, in groups.
        ids: bytes [corrections], sorted, each once.
        rows_of_ids: int64 [corrections], the row of each id in the file.
        ends: int64 [groups], where each group of rows ends.
    """

    parquet: pq.ParquetFile
    ids: NDArray[np.bytes_]
    rows_of_ids: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, stream: IO[bytes]) -> _CorrectionsFile:
        parquet = pq.ParquetFile(stream)
        groups = range(parquet.num_row_groups)
        sizes = [parquet.metadata.row_group(group).num_rows for group in groups]
        found = parquet.read([_ID])[_ID]
        # Somebody may have put in what is no id, and of any length.
        rows = np.flatnonzero(pc.equal(pc.binary_length(found), _ID_BYTES).to_numpy())
        ids, first = np.unique(_as_bytes(found.take(pa.array(rows))), return_index=True)
        return cls(parquet, ids, rows[first], np.cumsum(sizes))

    @cached_property
    def conflicting(self) -> dict[str, pa.Array]:
        """By source the positions of those that had other events' ids."""
        names = ["error_type", "source", "position"]
        found = self.parquet.read(names, use_threads=False)
        found = found.filter(pc.equal(found["error_type"], CONFLICTING))
        by_source: dict[str, list[str]] = defaultdict(list)
        for row in found.to_pylist():
            by_source[row["source"]].append(row["position"] or "")
        return {source: pa.array(places, pa.string()) for source, places in by_source.items()}

    def places(self, ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """The rows of those ids that have a correction, ascending: int64 [found]."""
        wanted = _as_bytes(ids)
        if not len(self.ids):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return np.sort(self.rows_of_ids[at[self.ids[at] == wanted]])

    def rows(self, places: NDArray[np.int64]) -> pa.Table:
        """Some rows: dead_letter_id, the eight source columns and event_id."""
        columns = [_ID, *SOURCE_COLUMNS, EVENT_ID]
        group_of = np.searchsorted(self.ends, places, side="right")
        parts = [CORRECTIONS.arrow_schema.empty_table().select(columns)]
        for group in np.unique(group_of).tolist():
            start = int(self.ends[group - 1]) if group else 0
            found = self.parquet.read_row_group(group, columns=columns, use_threads=False)
            parts.append(found.take(pa.array(places[group_of == group] - start)))
        return pa.concat_tables(part.cast(parts[0].schema) for part in parts)


def _as_bytes(ids: pa.ChunkedArray) -> NDArray[np.bytes_]:
    return np.array(ids.cast(pa.binary()).to_pylist(), f"S{_ID_BYTES}")
