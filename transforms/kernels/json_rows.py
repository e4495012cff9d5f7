"""JSON text -> source rows: a row for each record, which stays text.

Whether a row is a JSON object is seen where its fields are read: that costs no pass of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels import json_elements
from transforms.kernels.csv_blocks import BLOCK_BYTES, blocks
from transforms.kernels.csv_dialect import Dialect
from transforms.kernels.csv_sources import FORMAT_ATTRIBUTE
from transforms.kernels.records import Rejection, Rejections, Spans, encoding_problem
from transforms.kernels.source_rows import JSON, SourceRows

JSON_ATTRIBUTES: Final = json.dumps({FORMAT_ATTRIBUTE: {"kind": "json"}})
# A line is a record, whatever is in it.
_LINES: Final = Dialect(" ", "")


def read_lines(
    stream: IO[bytes], source: str, offset: int, size: int | None, block_bytes: int = BLOCK_BYTES
) -> Iterator[SourceRows]:
    """The lines of a stream, in blocks; blank ones are left out.

    Args:
        stream: stands where a line begins.
        source: the file's path.
        offset: the stream's position in the (uncompressed) file.
        size: how many bytes to read, up to where another line begins; None for all.
        block_bytes: how much to read at a time.
    """
    for data, lines, at in blocks(stream, 1, offset, size, block_bytes, _LINES):
        # Of a line that is longer than any record only the beginning is there.
        long = [
            Rejection.unreadable(
                "malformed_row",
                "",
                data[record.start : record.end],
                str(at + record.start),
                JSON_ATTRIBUTES,
                record.beyond,
            )
            for record in lines.odd
            if record.fields is None
        ]
        odd = [(record.start, record.end) for record in lines.odd if record.fields is not None]
        spans = np.concatenate(
            [np.column_stack([lines.starts, lines.ends]), np.array(odd, np.int64).reshape(-1, 2)]
        )
        yield _rows(data, spans, source, at, long)


def read_elements(
    stream: IO[bytes], source: str, offset: int, block_bytes: int = json_elements.BLOCK_BYTES
) -> Iterator[SourceRows]:
    """The elements of a JSON array, or values one after the other, in blocks.

    Args:
        stream, source, offset, block_bytes: as in `json_elements.read_elements`.

    Raises:
        DataError: if one is not closed.
    """
    for data, found, at in json_elements.read_elements(stream, source, offset, block_bytes):
        spans = np.concatenate(
            [
                np.column_stack([found.starts, found.ends]),
                np.array(found.scalars, np.int64).reshape(-1, 2),
            ]
        )
        yield _rows(data, spans, source, at, [])


def _rows(
    data: bytes, spans: NDArray[np.int64], source: str, at: int, rejected: list[Rejection]
) -> SourceRows:
    """The rows of a block.

    Args:
        data: the block; less than 2 GiB.
        spans: int64 [n, 2], of its records, in any order.
        source: the file's path.
        at: the block's byte offset in the file.
        rejected: records that are no rows.
    """
    texts = _texts(data, spans)
    good = _are_utf8(texts)
    for start, end in spans[~good].tolist():
        payload = data[start:end]
        problem = encoding_problem(payload) or ""
        rejected.append(
            Rejection.unreadable("invalid_utf8", problem, payload, str(at + start), JSON_ATTRIBUTES)
        )
    if not good.all():
        texts, spans = texts.filter(pa.array(good)), spans[good]
    origin = Spans(data, spans[:, 0], spans[:, 1], at, JSON_ATTRIBUTES)
    table = pa.table({JSON: texts.view(pa.string())})
    return SourceRows(table, True, origin, source, Rejections.of(rejected))


def _texts(data: bytes, spans: NDArray[np.int64]) -> pa.Array:
    """Spans of a text as a binary array."""
    if not len(spans):
        return pa.array([], pa.binary())
    # Every other one of the values between these offsets is a record.
    order = np.argsort(spans[:, 0], kind="stable")
    offsets = pa.array(spans[order].ravel(), pa.int32())
    between = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, offsets.buffers()[1], pa.py_buffer(data)]
    )
    rows = np.empty(len(spans), np.int64)
    rows[order] = np.arange(0, 2 * len(spans), 2)
    return between.take(pa.array(rows))


def _are_utf8(texts: pa.Array) -> NDArray[np.bool_]:
    try:
        texts.view(pa.string()).validate(full=True)
    except pa.ArrowInvalid:
        return np.array([encoding_problem(text) is None for text in texts.to_pylist()], np.bool_)
    return np.ones(len(texts), np.bool_)


def json_problem(text: str) -> str:
    """Why a text is no JSON object, in one line."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the record is no JSON object: {error}"
    if isinstance(found, dict):
        return 'the record is no JSON object: a text in it is no Unicode, such as "\\ud800"'
    kinds = {list: "an array", str: "a string", bool: "a boolean", int: "a number"}
    kind = kinds.get(type(found), "a number" if isinstance(found, float) else "null")
    return f"the record is {kind}, not a JSON object"
