"""Parquet files -> source rows, by row groups."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.inputs.input_streams import DamagedError, StoredBytes, stored_bytes
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.source_streams import decompressed
from transforms.kernels.csv_sources import FORMAT_ATTRIBUTE
from transforms.kernels.input_formats import Format
from transforms.kernels.parquet_rows import ParquetRows, parquet_columns, readable
from transforms.kernels.source_rows import SourceRows

_ATTRIBUTES: Final = json.dumps({FORMAT_ATTRIBUTE: {"kind": "parquet"}})
_BATCH_BYTES: Final = 16 << 20
_MOST_ROWS: Final = 1 << 18
# Of a column at a time, so that a large row group is not held; a request to gs:// is as large.
_PAGE_BYTES: Final = 1 << 20


@contextmanager
def opened_parquet(
    file: InputFile, form: Format, member: str, labels: Collection[str] = ()
) -> Iterator[tuple[pq.ParquetFile, StoredBytes]]:
    """A Parquet file, and its stored bytes; that it is the one that was listed is seen to at both
    ends.

    One that is compressed, or in an archive, is decompressed into a temporary file: it is read from
    its end. Those of its columns that are called as labels come as dictionaries, where they are
    texts.

    Raises:
        DataError: if it is not, or can't be read; the message names the file.
    """
    with stored_bytes(file, _PAGE_BYTES) as stored, tempfile.TemporaryFile() as unpacked:
        if form.compression != "none":
            packed = decompressed(file, stored, form.compression, member, form.packed)
            shutil.copyfileobj(packed, unpacked)
        source = stored if form.compression == "none" else unpacked
        try:
            yield _opened(cast(IO[bytes], source), labels), stored
        except pa.ArrowException as error:
            raise DamagedError("Parquet", error) from error
        except OSError as error:
            # What a disk refuses has a number; what Arrow says of the bytes has none.
            if error.errno is not None:
                raise
            raise DamagedError("Parquet", error) from error


def _opened(source: IO[bytes], labels: Collection[str]) -> pq.ParquetFile:
    """A Parquet file whose labels come as dictionaries, where they are texts."""
    found = pq.ParquetFile(source, buffer_size=_PAGE_BYTES)
    texts = [
        field.name
        for field in found.schema_arrow
        if field.name in labels and pa.types.is_string(field.type)
    ]
    if not texts:
        return found
    return pq.ParquetFile(
        source, metadata=found.metadata, buffer_size=_PAGE_BYTES, read_dictionary=texts
    )


def row_group_ranges(found: pq.ParquetFile, range_bytes: int | None) -> Iterator[tuple[int, int]]:
    """Ranges of row groups: the first, and how many.

    Args:
        found: the file.
        range_bytes: about how large a range is, uncompressed; None for one range.
    """
    groups, first, size = found.num_row_groups, 0, 0
    for group in range(groups):
        size += found.metadata.row_group(group).total_byte_size
        if range_bytes is not None and size >= range_bytes:
            yield first, group + 1 - first
            first, size = group + 1, 0
    if first < groups:
        yield first, groups - first


def read_parquet(
    found: pq.ParquetFile, wanted: Sequence[str], source: str, first: int, groups: int
) -> Iterator[SourceRows]:
    """The rows of row groups, in batches.

    Args:
        found: the file.
        wanted: as in `parquet_columns`.
        source: the file's path.
        first: the first row group.
        groups: how many.
    """
    metadata = found.metadata
    columns = parquet_columns(found.schema_arrow, wanted)
    row = sum(metadata.row_group(group).num_rows for group in range(first))
    numbers = list(range(first, first + groups))
    size = sum(metadata.row_group(group).total_byte_size for group in numbers)
    rows = sum(metadata.row_group(group).num_rows for group in numbers)
    at_once = max(1, min(_MOST_ROWS, _BATCH_BYTES * rows // max(size, 1)))
    for batch in found.iter_batches(at_once, numbers, columns, use_threads=False):
        table = readable(pa.Table.from_batches([batch]))
        yield SourceRows(table, False, ParquetRows(table, row, _ATTRIBUTES), source)
        row += table.num_rows
