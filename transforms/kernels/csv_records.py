"""CSV text -> raw records, block by block."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from transforms.errors import DataError
from transforms.kernels.csv_lines import (
    MAX_HEADER_BYTES,
    Lines,
    OddRecord,
    find_records,
    first_record_end,
    split_fields,
)
from transforms.kernels.event_batch import LABEL
from transforms.kernels.records import RawRecords, Spans, Unreadable
from transforms.kernels.starts import refuse_start, separator_line
from transforms.vocabulary import SOURCE_COLUMNS

# 16 MiB are some 200,000 rows: columns of that length stay in the L2 cache while they are parsed.
BLOCK_BYTES: Final = 16 << 20

# Of a dead letter: its file's header.
HEADER_ATTRIBUTE: Final = "csv_header"

_BOM: Final = b"\xef\xbb\xbf"
_TYPES: Final = {
    "event_time": pa.string(),
    "user_id": pa.string(),
}


@dataclass(frozen=True)
class Header:
    """A file's first record.

    Attributes:
        columns: its fields, trimmed.
        length: how many bytes of the file come before the second record, the BOM included.
    """

    columns: tuple[str, ...]
    length: int

    @property
    def attributes(self) -> str | None:
        """What the dead letters of the file need beside a record to read it again, as JSON."""
        if self.columns == SOURCE_COLUMNS:
            return None
        return json.dumps({HEADER_ATTRIBUTE: list(self.columns)}, ensure_ascii=False)


def read_header(stream: IO[bytes], source: str) -> Header | None:
    """The header of a CSV file, read from the file's beginning.

    Returns:
        None where the file holds nothing but blank lines.

    Raises:
        DataError: if it is no CSV in UTF-8, a source column is missing or there twice, or no line
            ends where one should.
    """
    data = b""
    while True:
        more = stream.read(1 << 16)
        data += more
        refuse_start(data, source)
        text = data.removeprefix(_BOM)
        bom = len(data) - len(text)
        blank = separator_line(text, source)
        blank += len(text[blank:]) - len(text[blank:].lstrip(b"\r\n"))
        length = first_record_end(text[blank:], final=not more)
        if length is not None:
            break
        if len(text) - blank >= MAX_HEADER_BYTES:
            raise DataError(
                f"{source}: no line ends in its first {MAX_HEADER_BYTES >> 20} MiB: a CSV file is "
                "needed whose lines end in LF or CRLF"
            )
    if blank == len(text):
        return None
    end = blank + length
    record = text[blank:end].rstrip(b"\r\n")
    names = tuple(name.decode(errors="replace").strip() for name in split_fields(record))
    _check_columns(names, source)
    return Header(names, bom + end)


def _check_columns(names: tuple[str, ...], source: str) -> None:
    missing = [name for name in SOURCE_COLUMNS if name not in names]
    if missing:
        others = {name.lower(): name for name in names if name not in SOURCE_COLUMNS}
        hints = [
            f"{others[close[0]]!r} looks like {name}"
            for name in missing
            if (close := difflib.get_close_matches(name, others, n=1))
        ]
        if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
            hints = ["its fields must be separated by commas"]
        found = ", ".join(names)[:300]
        raise DataError(
            f"{source}: the header lacks {', '.join(missing)}; it has {found!a}"
            f"{' (' + '; '.join(hints) + ')' if hints else ''}. Every file needs a header with "
            f"the columns {', '.join(SOURCE_COLUMNS)}"
        )
    repeated = [name for name in SOURCE_COLUMNS if names.count(name) > 1]
    if repeated:
        raise DataError(
            f"{source}: the header has {', '.join(repeated)} more than once: rename or remove "
            "one of them, so that it is clear which to read"
        )


def read_blocks(
    stream: IO[bytes],
    header: Header,
    source: str,
    offset: int,
    size: int | None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[RawRecords]:
    """The records of a stream, in blocks.

    Args:
        stream: stands where a record begins.
        header: the file's header.
        source: the file's path.
        offset: the stream's position in the (uncompressed) file.
        size: how many bytes to read, up to where another record begins; None for all.
        block_bytes: how much to read at a time.
    """
    for data, lines, at in _blocks(stream, len(header.columns), offset, size, block_bytes):
        yield _records(data, lines, header, source, at)


def record_boundaries(
    stream: IO[bytes], header: Header, offset: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[int]:
    """Byte offsets, one after each block, at which records begin; the last is the file's end."""
    for _, lines, at in _blocks(stream, len(header.columns), offset, None, block_bytes):
        yield at + lines.consumed


def _blocks(
    stream: IO[bytes], width: int, offset: int, size: int | None, block_bytes: int
) -> Iterator[tuple[bytes, Lines, int]]:
    rest = b""
    final = False
    while not final:
        # As much again as a record has already taken, so that a huge one is not read in squares.
        wanted = max(block_bytes, len(rest))
        wanted = wanted if size is None else min(wanted, size)
        more = stream.read(wanted) if wanted else b""
        if size is not None:
            size -= len(more)
        final = not more
        data = rest + more
        if not data:
            return
        lines = find_records(data, width, final)
        yield data, lines, offset
        rest = data[lines.consumed :]
        offset += lines.consumed


def _records(data: bytes, lines: Lines, header: Header, source: str, at: int) -> RawRecords:
    wrong: list[tuple[int, int]] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        wrong.append((row.number - 1, row.actual_columns))
        return "skip"

    table = _split_plain(_plain_text(data, lines), header, skip)
    if table.num_rows + len(wrong) != len(lines.starts):
        raise DataError(
            f"{source}: {len(lines.starts)} records from byte {at} became {table.num_rows} rows "
            f"and {len(wrong)} malformed ones; please report this file as a bug"
        )
    kept, odd_fields, unreadable = _sort_odd(data, lines.odd, header, at)
    bad = [row for row, _ in wrong]
    spans = Spans(
        data,
        np.concatenate([np.delete(lines.starts, bad), [odd.start for odd in kept]]).astype(
            np.int64
        ),
        np.concatenate([np.delete(lines.ends, bad), [odd.end for odd in kept]]).astype(np.int64),
        at,
        header.attributes,
    )
    unreadable += [
        _wrong_width(data, int(lines.starts[row]), int(lines.ends[row]), found, header, at)
        for row, found in wrong
    ]
    columns = [
        _append(table.column(index), [fields[index] for fields in odd_fields])
        for index in range(len(SOURCE_COLUMNS))
    ]
    unreadable = [replace(record, attributes=header.attributes) for record in unreadable]
    return RawRecords(columns, spans, source, unreadable)


def _plain_text(data: bytes, lines: Lines) -> pa.Buffer:
    """The plain records without the odd ones, whose line breaks stay behind as blank lines."""
    if not lines.odd and lines.consumed == len(data) and not data.startswith(_BOM):
        return pa.py_buffer(data)
    cuts = [0, *(edge for odd in lines.odd for edge in (odd.start, odd.end)), lines.consumed]
    view = memoryview(data)
    pieces = [view[cuts[i] : cuts[i + 1]] for i in range(0, len(cuts), 2)]
    # Arrow drops a BOM with which a text begins; behind a blank line it stays in its record.
    return pa.py_buffer(b"".join([b"\n", *pieces]))


def _split_plain(text: pa.Buffer, header: Header, skip: object) -> pa.Table:
    names = [str(index) for index in range(len(header.columns))]
    wanted = {name: str(header.columns.index(name)) for name in SOURCE_COLUMNS}
    return pa_csv.read_csv(
        text,
        # One thread and one block: only then rows of the wrong width come with their number.
        pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=text.size + 1),
        pa_csv.ParseOptions(invalid_row_handler=skip),
        pa_csv.ConvertOptions(
            check_utf8=False,
            include_columns=list(wanted.values()),
            column_types={index: _TYPES.get(name, LABEL) for name, index in wanted.items()},
            null_values=[],
        ),
    )


def _sort_odd(
    data: bytes, odd: list[OddRecord], header: Header, at: int
) -> tuple[list[OddRecord], list[list[str]], list[Unreadable]]:
    """Odd records that are rows after all, the eight fields of each, and those that are not."""
    rows: list[OddRecord] = []
    fields: list[list[str]] = []
    unreadable: list[Unreadable] = []
    wanted = [header.columns.index(name) for name in SOURCE_COLUMNS]
    for record in odd:
        payload = data[record.start : record.end]
        position = str(at + record.start)
        if record.fields is None:
            unreadable.append(
                Unreadable(
                    "malformed_row",
                    "a quoted field is not closed before a comma or the end of the record",
                    payload,
                    position,
                )
            )
        elif (problem := _encoding_problem(payload)) is not None:
            unreadable.append(Unreadable("invalid_utf8", problem, payload, position))
        elif len(record.fields) != len(header.columns):
            unreadable.append(
                _wrong_width(data, record.start, record.end, len(record.fields), header, at)
            )
        else:
            rows.append(record)
            fields.append([record.fields[index].decode() for index in wanted])
    return rows, fields, unreadable


def _encoding_problem(payload: bytes) -> str | None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return (
            f"byte {payload[error.start]:#04x} at offset {error.start} of the record is not UTF-8"
        )
    return None


def _wrong_width(
    data: bytes, start: int, end: int, found: int, header: Header, at: int
) -> Unreadable:
    message = f"the header has {len(header.columns)} fields, this record {found}"
    return Unreadable("malformed_row", message, data[start:end], str(at + start))


def _append(column: pa.ChunkedArray, more: list[str]) -> pa.Array:
    chunks = list(column.chunks)
    if more or not chunks:
        extra = pa.array(more, pa.string())
        chunks.append(extra.dictionary_encode() if column.type == LABEL else extra)
    if len(chunks) == 1:
        return chunks[0]
    return pa.chunked_array(chunks, column.type).unify_dictionaries().combine_chunks()
