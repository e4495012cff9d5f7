"""The records of a block of CSV text -> Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.csv_dialect import RFC_4180, Dialect
from transforms.kernels.csv_lines import BOM, NOT_CLOSED, Lines, OddRecord, split_fields
from transforms.kernels.records import (
    MAX_RECORD_BYTES,
    NO_REJECTIONS,
    REJECTED,
    Rejection,
    Rejections,
    Spans,
    encoding_problem,
)

_LF: Final = ord("\n")
# Spans that are cut out one by one; more of them are cut out together, which goes over all bytes.
_FEW: Final = 1_000


@dataclass(frozen=True)
class Cut:
    """Which columns to cut out of records.

    Attributes:
        fields: how many fields a record has.
        places: the index of each wanted column.
        types: of each its Arrow type, string or a dictionary of strings.
        attributes: what a dead letter needs beside the record to read it again, as JSON.
        dialect: of the text.
    """

    fields: int
    places: Sequence[int]
    types: Sequence[pa.DataType]
    attributes: str | None = None
    dialect: Dialect = RFC_4180


def cut_block(
    data: bytes, lines: Lines, cut: Cut, source: str, at: int
) -> tuple[list[pa.Array], Spans, Rejections]:
    """The columns of a block's records, where each row stands, and the records that are no rows.

    Args:
        data: the block.
        lines: its records.
        cut: what to cut out.
        source: the file's path.
        at: the block's byte offset in the file.
    """
    starts, ends = lines.starts, lines.ends
    # Arrow calls back for each row of the wrong width; those with too few bytes are found at once.
    short = np.flatnonzero(ends - starts < cut.fields - 1)
    long_enough = np.delete(np.arange(len(starts)), short) if len(short) else None
    if long_enough is not None:
        starts, ends = starts[long_enough], ends[long_enough]
    wrong: list[tuple[int, int]] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        wrong.append((row.number - 1, row.actual_columns))
        return "skip"

    text = _plain_text(data, lines, short)
    table = _split_plain(text, cut, skip)
    if table.num_rows + len(wrong) != len(starts):
        raise DataError(
            f"{source}: {len(starts)} records from byte {at} became {table.num_rows} rows "
            f"and {len(wrong)} malformed ones; please report this file as a bug"
        )
    kept, odd_fields, unreadable = _sort_odd(data, lines.odd, cut, at)
    bad = np.array([row for row, _ in wrong], np.int64)
    refused = [
        _wrong_width(data, lines.starts[short], lines.ends[short], None, cut, at),
        _wrong_width(data, starts[bad], ends[bad], [found for _, found in wrong], cut, at),
        Rejections.of(unreadable),
    ]
    spans = Spans(
        data,
        np.append(np.delete(starts, bad), np.array([odd.start for odd in kept], np.int64)),
        np.append(np.delete(ends, bad), np.array([odd.end for odd in kept], np.int64)),
        at,
        cut.attributes,
    )
    columns = [
        _append(table.column(str(place)), [fields[index] for fields in odd_fields])
        for index, place in enumerate(cut.places)
    ]
    return columns, spans, Rejections.total([part for part in refused if part])


def _plain_text(data: bytes, lines: Lines, short: NDArray[np.int64]) -> pa.Buffer:
    """The plain records that are not short. Where others stood, blank lines stay behind."""
    spans = [
        np.array([(odd.start, odd.end) for odd in lines.odd], np.int64).reshape(-1, 2),
        lines.empty,
        np.column_stack([lines.starts[short], lines.ends[short]]),
    ]
    others = np.concatenate(spans)
    if not len(others) and lines.consumed == len(data) and not data.startswith(BOM):
        return pa.py_buffer(data)
    # Arrow drops a BOM with which a text begins; behind a blank line it stays in its record.
    text = np.empty(min(lines.consumed, len(data)) + 1, np.uint8)
    text[0] = _LF
    text[1:] = np.frombuffer(data, np.uint8, len(text) - 1)
    if len(others) <= _FEW:
        for start, end in others.tolist():
            text[start + 1 : end + 1] = _LF
    else:
        edges = np.zeros(len(text) + 1, np.int8)
        edges[others[:, 0] + 1] = 1
        edges[others[:, 1] + 1] = -1
        text[np.cumsum(edges[:-1], dtype=np.int8) > 0] = _LF
    return pa.py_buffer(text)


def _split_plain(text: pa.Buffer, cut: Cut, skip: object) -> pa.Table:
    names = [str(index) for index in range(cut.fields)]
    # Where no column is wanted, one of them says how many rows there are.
    wanted = dict(zip(map(str, cut.places or (0,)), cut.types or (pa.string(),), strict=True))
    return pa_csv.read_csv(
        text,
        # One thread and one block: only then rows of the wrong width come with their number.
        pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=text.size + 1),
        pa_csv.ParseOptions(
            delimiter=cut.dialect.delimiter,
            quote_char=cut.dialect.quote or False,
            invalid_row_handler=skip,
        ),
        pa_csv.ConvertOptions(
            check_utf8=False,
            include_columns=list(wanted),
            column_types=wanted,
            null_values=[],
        ),
    )


def _sort_odd(
    data: bytes, odd: list[OddRecord], cut: Cut, at: int
) -> tuple[list[OddRecord], list[list[str]], list[Rejection]]:
    """Odd records that are rows after all, the wanted fields of each, and those that are not."""
    rows: list[OddRecord] = []
    fields: list[list[str]] = []
    unreadable: list[Rejection] = []
    attributes = cut.attributes
    for record in odd:
        payload = data[record.start : record.end]
        if record.fields is None:
            failure = ("malformed_row", NOT_CLOSED)
        elif (problem := encoding_problem(payload)) is not None:
            failure = ("invalid_utf8", problem)
        elif len(record.fields) != cut.fields:
            failure = ("malformed_row", _width_message(cut, len(record.fields)))
        else:
            rows.append(record)
            fields.append([record.fields[index].decode() for index in cut.places])
            continue
        position = str(at + record.start)
        unreadable.append(
            Rejection.unreadable(*failure, payload, position, attributes, record.beyond)
        )
    return rows, fields, unreadable


def _wrong_width(
    data: bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    found: list[int] | None,
    cut: Cut,
    at: int,
) -> Rejections:
    """Plain records of another number of fields than the header's.

    Args:
        data: the block.
        starts, ends: int64 [n], their spans, in order.
        found: how many fields they have; None where that is to be counted.
        cut: of the file.
        at: the block's byte offset in the file.
    """
    if not len(starts):
        return NO_REJECTIONS
    if (ends - starts).max() > MAX_RECORD_BYTES:
        return Rejections.of(
            Rejection.unreadable(
                "malformed_row",
                _width_message(cut, len(split_fields(data[start:end], cut.dialect))),
                data[start:end],
                str(at + start),
                cut.attributes,
            )
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        )
    numbers = _count_fields(data, starts, ends, cut.dialect) if found is None else np.array(found)
    distinct, which = np.unique(numbers, return_inverse=True)
    messages = pa.array([_width_message(cut, number) for number in distinct.tolist()])
    # Every other one of the values between these offsets is a record.
    offsets = pa.array(np.column_stack([starts, ends]).ravel(), pa.int32())
    between = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, offsets.buffers()[1], pa.py_buffer(data)]
    )
    rows = len(starts)
    columns = {
        "stage": pa.repeat("parse", rows),
        "error_type": pa.repeat("malformed_row", rows),
        "message": messages.take(pa.array(which)),
        "payload": between.take(pa.array(np.arange(0, 2 * rows, 2))),
        "position": pa.array(starts + at).cast(pa.string()),
        "attributes": pa.repeat(pa.scalar(cut.attributes, pa.string()), rows),
    }
    return Rejections(
        pa.Table.from_arrays(
            [columns.get(field.name, pa.nulls(rows, field.type)) for field in REJECTED],
            schema=REJECTED,
        )
    )


def _count_fields(
    data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], dialect: Dialect
) -> NDArray[np.int64]:
    """How many fields plain records have."""
    view = np.frombuffer(data, np.uint8, int(ends[-1]))
    edges = np.column_stack([starts, ends]).ravel()[:-1]
    numbers: NDArray[np.int64] = (
        np.add.reduceat(view == dialect.delimiter_byte, edges, dtype=np.int64)[::2] + 1
    )
    if dialect.quotes(data):
        quoted = np.logical_or.reduceat(view == dialect.quote_byte, edges)[::2]
        for row in np.flatnonzero(quoted).tolist():
            numbers[row] = len(split_fields(data[starts[row] : ends[row]], dialect))
    return numbers


def _width_message(cut: Cut, found: int) -> str:
    return f"the header has {cut.fields} fields, this record {found}"


def _append(column: pa.ChunkedArray, more: list[str]) -> pa.Array:
    chunks = list(column.chunks)
    if more or not chunks:
        extra = pa.array(more, pa.string())
        chunks.append(extra.dictionary_encode() if pa.types.is_dictionary(column.type) else extra)
    if len(chunks) == 1:
        return chunks[0]
    return pa.chunked_array(chunks, column.type).unify_dictionaries().combine_chunks()
