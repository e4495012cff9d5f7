"""Staged events and dead letters, read back as parsed parts."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.storage_errors import storage_errors, storage_reason
from pipeline.warehouse.changes import StagedFile
from transforms.contract import Table
from transforms.data_error import DataError
from transforms.kernels.run_counts import RunCounts
from transforms.marts import dead_letter_events
from transforms.parse_step import ParsedPart, count_dead_letters
from transforms.stored_events import CAME_WITH_ID, STORED, STORED_WITH_ID, restored

_BATCH_ROWS = 200_000
_BATCH_BYTES = 64 << 20
_LETTERS = dead_letter_events.TABLE
_EVENTS = {table.name: table for table in (STORED, STORED_WITH_ID, CAME_WITH_ID)}


def staged_parts(file: StagedFile, event_types: tuple[str, ...]) -> Iterator[ParsedPart]:
    """What a staged file holds, some rows at a time.

    Args:
        file: of rows of a contract of stored_events, or of dead_letter_events.
        event_types: the names of the event types, by their codes.

    Raises:
        DataError: if it can't be read, or holds an event that is none.
    """
    contract = _EVENTS.get(file.table)
    if contract is not None:
        none = _LETTERS.arrow_schema.empty_table()
        for rows in _rows(file, contract):
            counts = RunCounts(input_rows=rows.num_rows)
            yield ParsedPart([restored(rows, event_types)], none, counts)
        return
    for letters in _rows(file, _LETTERS):
        counts = RunCounts(input_rows=letters.num_rows)
        yield ParsedPart([], letters, RunCounts.total([counts, count_dead_letters(letters)]))


def _rows(file: StagedFile, table: Table) -> Iterator[pa.Table]:
    """A staged file's rows, with the contract's Arrow types."""
    try:
        with storage.opened(file.path) as stream:
            fitting = file.rows * _BATCH_BYTES // max(file.bytes, 1)
            rows = max(1, min(_BATCH_ROWS, fitting))
            for batch in pq.ParquetFile(stream).iter_batches(rows, use_threads=False):
                yield pa.Table.from_batches([batch]).cast(table.arrow_schema)
    except storage_errors(pa.ArrowException) as error:
        raise DataError(
            f"{file.path}: staged rows can't be read ({storage_reason(error)}): see that nobody "
            "else clears that folder, and run again"
        ) from error
