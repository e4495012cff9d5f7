"""A table of anonymous ids and known ids, beside the tables of a warehouse."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError
from pipeline.inputs.people_file import COLUMNS, MOST_ROWS
from pipeline.warehouse import TableReader
from transforms.contract import STRING, Table, nullable
from transforms.kernels.person_ids import MOST_TEXT_BYTES, PairError, Pairs, resolved

# How --people says that it names a table.
PREFIX: Final = "table:"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def read_people_table(name: str, warehouse: TableReader) -> Pairs:
    """The pairs of a table.

    Args:
        name: of the table, which lies where those of the warehouse do.
        warehouse: who reads it.

    Raises:
        OptionError: if there is no such table, or it holds what can't be such pairs.
        RunError: if the warehouse can't be read.
    """
    asked = f"{PREFIX}{name}"
    if not _NAME.fullmatch(name):
        raise OptionError(
            f"--people {asked}: that is no table's name: give letters, digits and _ alone"
        )
    columns = tuple(nullable(column, STRING, "An id") for column in COLUMNS)
    table = Table(name, "Anonymous ids and known ids.", columns)
    there = warehouse.columns([table]).get(name) if warehouse.present() is not None else None
    if there is None:
        raise OptionError(f"--people {asked}: {warehouse.url} has no such table: check the name")
    missing = [column for column in COLUMNS if column not in there]
    if missing:
        raise OptionError(
            f"--people {asked} has no column {missing[0]}, but {', '.join(sorted(there)[:10])}: "
            f"name its columns {' and '.join(COLUMNS)}"
        )
    rows = warehouse.count(table) or 0
    if rows > MOST_ROWS:
        raise OptionError(
            f"--people {asked} has over {MOST_ROWS:,} rows: leave out who has no events"
        )
    found = _texts(table, warehouse, asked)
    try:
        if found.nbytes > MOST_TEXT_BYTES:
            raise PairError(f"its ids have more than {MOST_TEXT_BYTES:,} bytes together")
        return resolved(*(column.combine_chunks() for column in found.columns))
    except PairError as error:
        where = "".join(f"; {found.slice(row, 1).to_pylist()[0]}" for row in error.rows)
        ways = "correct the table" if error.rows else "name fewer people"
        raise OptionError(f"--people {asked}: {error.problem}{where}: {ways}") from error


def _texts(table: Table, warehouse: TableReader, asked: str) -> pa.Table:
    """All rows as texts; blank where there is none."""
    try:
        parts = list(warehouse.batches(table, COLUMNS))
    except pa.ArrowException as error:
        raise OptionError(
            f"--people {asked}: its columns hold what can't be read as texts ({error}): "
            "make them texts"
        ) from error
    found = pa.concat_tables([table.arrow_schema.empty_table(), *parts])
    return pa.table([pc.fill_null(column, "") for column in found.columns], names=COLUMNS)
