"""JSON text -> source rows: a row for each object, which stays text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels import json_elements
from transforms.kernels.csv_blocks import BLOCK_BYTES, blocks
from transforms.kernels.csv_dialect import Dialect
from transforms.kernels.records import Rejection, Rejections, Spans, encoding_problem
from transforms.kernels.source_rows import JSON, SourceRows

# A line is a record, whatever is in it.
LINES: Final = Dialect(" ", "")
_TOO_LONG: Final = "the record is longer than any that is read"
_OPENING: Final = ord("{")


class JsonRows:
    """Turns spans of JSON text into rows.

    Args:
        source: the file's path.
        attributes: what a dead letter needs beside the record to read it again, as JSON.
    """

    def __init__(self, source: str, attributes: str | None):
        self._source, self._attributes = source, attributes
        # Ten times faster than a parser called from Python: 0.3 us a line of 450 bytes.
        self._connection = duckdb.connect(config={"threads": 1})

    def read_lines(
        self, stream: IO[bytes], offset: int, size: int | None, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[SourceRows]:
        """The lines of a stream, in blocks; blank ones are left out.

        Args:
            stream: stands where a line begins.
            offset: the stream's position in the (uncompressed) file.
            size: how many bytes to read, up to where another line begins; None for all.
            block_bytes: how much to read at a time.
        """
        for data, lines, at in blocks(stream, 1, offset, size, block_bytes, LINES):
            odd = [record for record in lines.odd if record.fields is not None]
            rejected = [
                self._rejection(data[record.start : record.end], at + record.start, record.beyond)
                for record in lines.odd
                if record.fields is None
            ]
            starts = np.append(lines.starts, [record.start for record in odd]).astype(np.int64)
            ends = np.append(lines.ends, [record.end for record in odd]).astype(np.int64)
            yield self.rows(data, starts, ends, at, rejected)

    def read_elements(
        self, stream: IO[bytes], offset: int, block_bytes: int = json_elements.BLOCK_BYTES
    ) -> Iterator[SourceRows]:
        """The elements of a JSON array, or objects one after the other, in blocks.

        Args:
            stream, offset, block_bytes: as in `json_elements.read_elements`.

        Raises:
            DataError: if one is not closed.
        """
        found = json_elements.read_elements(stream, self._source, offset, block_bytes)
        for data, elements, at in found:
            rejected = [
                self._rejection(data[start:end], at + start) for start, end in elements.scalars
            ]
            yield self.rows(data, elements.starts, elements.ends, at, rejected)

    def rows(
        self,
        data: bytes,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        at: int,
        rejected: list[Rejection],
    ) -> SourceRows:
        """The rows of a block.

        Args:
            data: the block; less than 2 GiB.
            starts, ends: int64 [n], the spans of its records, in any order.
            at: the block's byte offset in the file.
            rejected: records that are known to be none.
        """
        texts = _texts(data, starts, ends)
        good = self._are_objects(data, texts, starts)
        bad = np.flatnonzero(~good)
        rejected += [
            self._rejection(data[start:end], at + start)
            for start, end in zip(starts[bad].tolist(), ends[bad].tolist(), strict=True)
        ]
        if not good.all():
            texts, starts, ends = texts.filter(pa.array(good)), starts[good], ends[good]
        spans = Spans(data, starts, ends, at, self._attributes)
        table = pa.table({JSON: texts.cast(pa.string())})
        return SourceRows(table, True, spans, self._source, Rejections.of(rejected))

    def _are_objects(
        self, data: bytes, texts: pa.Array, starts: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        good: NDArray[np.bool_] = np.frombuffer(data, np.uint8)[starts] == _OPENING
        for row in np.flatnonzero(~good).tolist():
            good[row] = texts[row].as_py().lstrip(b" \t\r\n").startswith(b"{")
        strings = texts.view(pa.string())
        try:
            strings.validate(full=True)
        except pa.ArrowInvalid:
            for row in range(len(texts)):
                good[row] &= encoding_problem(texts[row].as_py()) is None
        some = strings if good.all() else strings.filter(pa.array(good))
        found = self._connection.from_arrow(pa.table({JSON: some}))
        valid = found.project(f"json_valid({JSON})").to_arrow_table().column(0)
        good[good] = valid.to_numpy()
        return good

    def _rejection(self, payload: bytes, position: int, beyond: int = 0) -> Rejection:
        problem = _TOO_LONG if beyond else encoding_problem(payload)
        error_type = "malformed_message" if beyond or problem is None else "invalid_utf8"
        return Rejection.unreadable(
            error_type,
            problem or json_problem(payload.decode()),
            payload,
            str(position),
            self._attributes,
            beyond,
        )


def _texts(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> pa.Array:
    """Spans of a text as a binary array."""
    # Every other one of the values between these offsets is a record.
    order = np.argsort(starts, kind="stable")
    offsets = pa.array(np.column_stack([starts[order], ends[order]]).ravel(), pa.int32())
    if not len(offsets):
        return pa.array([], pa.binary())
    between = pa.Array.from_buffers(
        pa.binary(), len(offsets) - 1, [None, offsets.buffers()[1], pa.py_buffer(data)]
    )
    rows = np.empty(len(starts), np.int64)
    rows[order] = np.arange(0, 2 * len(starts), 2)
    return between.take(pa.array(rows))


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
