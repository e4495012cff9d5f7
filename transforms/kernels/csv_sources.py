"""CSV text -> source rows, by the names of a file's own header."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import IO, Final

import pyarrow as pa

from transforms.data_error import DataError
from transforms.kernels.csv_blocks import BLOCK_BYTES, blocks
from transforms.kernels.csv_columns import Cut, cut_block
from transforms.kernels.csv_dialect import Dialect
from transforms.kernels.event_batch import LABEL
from transforms.kernels.source_rows import SourceRows

# Of a dead letter's attributes: how its payload is read.
FORMAT_ATTRIBUTE: Final = "input_format"


def cut_of(
    names: Sequence[str],
    wanted: Sequence[str],
    labels: Collection[str],
    dialect: Dialect,
    source: str,
) -> Cut:
    """What to cut out of the records of a file.

    Args:
        names: of all its fields.
        wanted: those of them to read, each once.
        labels: those that come as dictionaries of strings.
        dialect: of the file.
        source: its path.

    Raises:
        DataError: if it has a wanted name more than once.
    """
    repeated = [name for name in wanted if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"{source}: the header has {', '.join(repeated)} more than once: rename or remove one "
            "of them, so that it is clear which to read"
        )
    places = [names.index(name) for name in wanted]
    found = {
        "kind": "csv",
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "fields": len(names),
        "columns": dict(zip(wanted, places, strict=True)),
    }
    attributes = json.dumps({FORMAT_ATTRIBUTE: found}, ensure_ascii=False)
    types = [LABEL if name in labels else pa.string() for name in wanted]
    return Cut(len(names), places, types, attributes, dialect)


def read_csv_rows(
    stream: IO[bytes],
    cut: Cut,
    names: Sequence[str],
    source: str,
    offset: int,
    size: int | None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[SourceRows]:
    """The records of a stream, in blocks.

    Args:
        stream, source, offset, size, block_bytes: as in `csv_records.read_blocks`.
        cut: what to cut out.
        names: of its columns.
    """
    for data, lines, at in blocks(stream, cut.fields, offset, size, block_bytes, cut.dialect):
        columns, spans, unreadable = cut_block(data, lines, cut, source, at)
        yield SourceRows(
            _table(columns, names, len(spans.starts)), False, spans, source, unreadable
        )


def _table(columns: Sequence[pa.Array], names: Sequence[str], rows: int) -> pa.Table:
    if not columns:  # A table without columns has no rows.
        return pa.table({"": pa.nulls(rows, pa.string())})
    return pa.Table.from_arrays(list(columns), names=list(names))
