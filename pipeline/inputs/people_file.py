"""A file of anonymous ids and known ids: CSV, JSON lines, JSON or Parquet, also compressed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import IO, Final, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import OptionError
from pipeline.inputs.input_versions import InputFile, local_file
from pipeline.inputs.source_ranges import source_ranges, source_rows
from pipeline.inputs.source_streams import opened_source
from pipeline.inputs.sources import Source, describe
from pipeline.storage_errors import storage_errors, storage_reason
from transforms.data_error import DataError
from transforms.kernels.input_formats import Given
from transforms.kernels.person_ids import MOST_TEXT_BYTES, PairError, Pairs, resolved
from transforms.kernels.source_rows import JSON, SourceRows

COLUMNS: Final = ("anonymous_id", "user_id")
# The launcher holds all of them, with 150 bytes each beside their texts.
MOST_ROWS: Final = 20_000_000
_READ_BYTES: Final = 1 << 20
_NONE: Final = pa.schema([(name, pa.string()) for name in COLUMNS]).empty_table()


def read_people_file(path: str) -> Pairs:
    """The pairs of a file.

    Args:
        path: of one file, local or gs://, of any form that rules take as input.

    Raises:
        OptionError: if it can't be read, or holds what can't be such pairs.
    """
    try:
        sources = describe(_found(path), Given())
        return _pairs(sources)
    except DataError as error:
        raise OptionError(f"--people {error}") from error
    except PairError as error:
        where = " and ".join(_place(sources, row) for row in error.rows)
        ways = "correct the file" if error.rows else "name fewer people"
        raise OptionError(
            f"--people {path}{f', {where}' if where else ''}: {error.problem}: {ways}"
        ) from error


def _found(path: str) -> InputFile:
    try:
        if "://" not in path:
            if os.path.isdir(path):
                raise OptionError(
                    f"--people {path}: that is a folder: name one file that has all pairs"
                )
            if not os.path.isfile(path):
                raise OptionError(f"--people {path}: there is no such file: check the path")
            return local_file(path)
        from pipeline.inputs import gcs

        found = [InputFile(*each) for each in gcs.listed(path)]
    except storage_errors(ValueError) as error:
        reason = storage_reason(error)
        raise OptionError(
            f"--people {path}: it can't be read ({reason}): check the path"
        ) from error
    if len(found) != 1:
        raise OptionError(
            f"--people {path} matches {len(found):,} files: name one that has all pairs"
        )
    return found[0]


def _rows(source: Source) -> Iterator[SourceRows]:
    for part in source_ranges(source, None):
        for rows, _ in source_rows(part, COLUMNS):
            yield rows


def _pairs(sources: Sequence[Source]) -> Pairs:
    """All pairs of a file.

    Raises:
        DataError: if a column is missing, or a record can't be read.
        PairError: as `resolved` does.
    """
    parts, count = [_NONE], 0
    for source in sources:
        form = f"{source.path} (read as {source.form.text})"
        if source.form.kind in ("csv", "parquet"):
            _refuse_absent(source.names, form)
        for rows in _rows(source):
            for bad in rows.unreadable:
                raise DataError(f"{form} at byte {bad.position}: {bad.message}")
            parts.append(_texts(rows, form))
            count += rows.table.num_rows
            if count > MOST_ROWS:
                raise DataError(f"{form} has over {MOST_ROWS:,} rows: leave out who has no events")
    whole = pa.concat_tables(parts)
    if whole.nbytes > MOST_TEXT_BYTES:
        raise PairError(f"its ids have more than {MOST_TEXT_BYTES:,} bytes together")
    return resolved(*(column.combine_chunks() for column in whole.columns))


def _place(sources: Sequence[Source], row: int) -> str:
    """Where a row stands, for people: the file is read once more for it."""
    for source in sources:
        for rows in _rows(source):
            if row < rows.table.num_rows:
                position = rows.origin.position(row)
                if source.form.kind == "parquet":
                    return f"row {position}"
                return f"line {_line(source, int(position.rpartition(':')[2])):,}"
            row -= rows.table.num_rows
    raise IndexError(row)


def _line(source: Source, offset: int) -> int:
    """The number of a line, as an editor counts, by its offset in the text in UTF-8."""
    line = 1
    with opened_source(source.file, source.form, source.member) as stream:
        text = cast(IO[bytes], stream)
        while offset and (found := text.read(min(offset, _READ_BYTES))):
            line += found.count(b"\n")
            offset -= len(found)
    return line


def _refuse_absent(names: Sequence[str], form: str) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        shown = ", ".join(names[:10]) or "none"
        raise DataError(
            f"{form} has no column {missing[0]}, but {shown}: name its columns "
            f"{' and '.join(COLUMNS)}"
        )


def _texts(rows: SourceRows, form: str) -> pa.Table:
    """The two columns as texts; blank where there is none."""
    if rows.is_json:
        return pa.table(dict(zip(COLUMNS, _of_json(rows, form), strict=True)))
    columns = [pc.fill_null(_plain(rows.table[name]), "") for name in COLUMNS]
    return pa.table(columns, names=COLUMNS)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_nested(column.type) or pa.types.is_floating(column.type):
        raise DataError(f"a column of type {column.type} holds no ids: make them texts")
    return column.cast(pa.string())


def _of_json(rows: SourceRows, form: str) -> Iterator[pa.ChunkedArray]:
    connection = duckdb.connect()
    connection.register("found", rows.table)
    wrong = connection.execute(
        f"SELECT i FROM (SELECT {JSON}, row_number() OVER () - 1 AS i FROM found) "
        f"WHERE NOT json_valid({JSON}) OR json_type({JSON}) <> 'OBJECT' ORDER BY i LIMIT 1"
    ).fetchone()
    if wrong is not None:
        where = rows.origin.position(wrong[0])
        raise DataError(f"{form} at byte {where}: the record is no JSON object")
    wanted = ", ".join(f"coalesce({JSON} ->> '$.{name}', '') AS {name}" for name in COLUMNS)
    found = connection.sql(f"SELECT {wanted} FROM found").to_arrow_table()
    return iter(found.columns)
