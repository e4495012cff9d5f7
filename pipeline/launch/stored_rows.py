"""What a rebuild begins with: the rows of a warehouse from which all others follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.errors import OptionError, RunError
from pipeline.paths import typed_command
from pipeline.warehouse import TableReader
from pipeline.warehouse.capabilities import FileLayout
from pipeline.warehouse.changes import StagedFile
from pipeline.warehouse.staged_files import StagedFiles
from transforms.contract import Table
from transforms.marts import dead_letter_events, fct_events
from transforms.stored_events import STORED, STORED_WITH_ID

# Of a staged file: more of them, so that several workers have their share.
FILE_ROWS: Final = 1_000_000

_LETTERS: Final = dead_letter_events.TABLE


def _read(identified: bool) -> tuple[tuple[Table, Table], ...]:
    """The tables that are read, and the contracts by which their rows are staged."""
    return (fct_events.TABLE, STORED_WITH_ID if identified else STORED), (_LETTERS, _LETTERS)


def check_stored(warehouse: TableReader) -> None:
    """See that a warehouse has what all tables follow from.

    Raises:
        OptionError: if a table or a column is not there.
        RunError: if the warehouse can't be read.
    """
    read = _read(False)
    present = {} if warehouse.present() is None else warehouse.columns([t for t, _ in read])
    for table, contract in read:
        if table.name not in present:
            raise OptionError(
                f"--warehouse {warehouse.url} has no table {table.name}: a rebuild reads the "
                "tables that batch, update or stream has built; check the URL"
            )
        missing = [name for name in contract.column_names if name not in present[table.name]]
        if missing:
            raise OptionError(
                f"--warehouse {warehouse.url}: {table.name} has no column {missing[0]}, from which "
                "other columns follow, so its rows do not say what all tables should hold: run "
                f"{typed_command('batch', warehouse.url)} over all source files instead"
            )


def stage_stored(warehouse: TableReader, folder: str, identified: bool) -> list[StagedFile]:
    """Stage the source values of all events, and all dead letters, some at a time.

    Args:
        warehouse: which nobody else writes meanwhile.
        folder: where they come to lie.
        identified: whether the rules name an event_id: then events keep theirs.

    Raises:
        RunError: if they can't be read or staged, or others were written meanwhile.
    """
    with warehouse.kept_open():
        return [
            file
            for table, contract in _read(identified)
            for file in _all_staged(warehouse, table, contract, folder)
        ]


def _all_staged(
    warehouse: TableReader, table: Table, contract: Table, folder: str
) -> list[StagedFile]:
    files = list(_staged(warehouse, table, contract, folder))
    read, found = sum(file.rows for file in files), warehouse.count(table) or 0
    if read != found:
        raise RunError(
            f"{table.name} has {found:,} rows, of which {read:,} were read: another program "
            "writes to it; no table was touched, run again"
        )
    return files


def _staged(
    warehouse: TableReader, table: Table, contract: Table, folder: str
) -> Iterator[StagedFile]:
    files, rows = StagedFiles(contract, folder, FileLayout()), 0
    for part in warehouse.batches(table, contract.column_names):
        files.write(part)
        rows += part.num_rows
        if rows >= FILE_ROWS:
            yield from files.close()
            files, rows = StagedFiles(contract, folder, FileLayout()), 0
    yield from files.close()
