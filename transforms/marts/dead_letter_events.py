"""dead_letter_events: one row per rejected input."""

from __future__ import annotations

import base64
import codecs
import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.contract import STRING, TIMESTAMP, Partition, Table, nullable, required
from transforms.kernels.records import MAX_RECORD_BYTES, Rejections
from transforms.quality.declaration import HEX_ID, Holds, Matches, one_of

TABLE = Table(
    name="dead_letter_events",
    description="One row per input record that is no event, with the reason and the record itself.",
    columns=(
        required("dead_letter_id", STRING, "Hash of payload, source and position", HEX_ID),
        required("failed_at", TIMESTAMP, "When the record was rejected"),
        required(
            "stage",
            STRING,
            "Where it failed: parse or validate",
            Matches("^[a-z_]+$", "a code of lower-case letters and _"),
        ),
        required(
            "error_type",
            STRING,
            "A short stable code, e.g. bad_event_time",
            Matches("^[a-z0-9_]+$", "a code of lower-case letters, digits and _"),
        ),
        required("error_message", STRING, "What is wrong, with the offending value, in one line"),
        required(
            "payload",
            STRING,
            f"The input as it came; of a record of over {MAX_RECORD_BYTES:,} bytes the beginning",
        ),
        required(
            "payload_encoding",
            STRING,
            "utf-8, or base64 where the bytes are not UTF-8",
            one_of("utf-8", "base64"),
        ),
        nullable(
            "attributes",
            STRING,
            "JSON: the message's attributes; of a CSV record the places of its columns, where they "
            "are not the usual eight in order; replay_tries where replays have tried it",
        ),
        required("source", STRING, "The file's path, or the subscription"),
        nullable("position", STRING, "Byte offset in the (uncompressed) file, or the message id"),
        nullable("event_time", TIMESTAMP, "As far as it could be read"),
        nullable("user_id", STRING, "As far as it could be read"),
        nullable("event_type", STRING, "As far as it could be read"),
        required("pipeline_version", STRING, "Version of the pipeline that rejected it"),
    ),
    partition=Partition("failed_at", "DAY"),
    written_at="failed_at",
    checks=(
        Holds(
            "message_in_one_line",
            "STRPOS(error_message, CHR(10)) + STRPOS(error_message, CHR(13)) = 0",
            "error_message is one line",
        ),
        Holds(
            "payload_is_base64",
            "payload_encoding <> 'base64' OR REGEXP_CONTAINS(payload, '^[A-Za-z0-9+/]*=*$')",
            "payload is base64 where payload_encoding says so",
        ),
    ),
)

# What tells a row from others. Two that are equal in both are the same record, read twice.
ROW: Final = ("dead_letter_id", "failed_at")

_CUT: Final = "of which payload holds the first"
_CUT_MESSAGE: Final = rf"; it has [0-9,]+ bytes, {_CUT} [0-9,]+: take the rest from the source$"


def rows(
    rejections: Rejections,
    source: str,
    failed_at: datetime,
    pipeline_version: str,
) -> pa.Table:
    """The rows of dead_letter_events for the rejections of one source, in their order."""
    rejected = rejections.table
    if not rejected.num_rows:
        return TABLE.arrow_schema.empty_table()
    payloads, encodings = _encoded(rejected)
    return TABLE.build(
        {
            "dead_letter_id": _dead_letter_ids(rejected, source),
            "failed_at": pa.scalar(failed_at, pa.timestamp("us")),
            "stage": rejected["stage"],
            "error_type": rejected["error_type"],
            "error_message": _messages(rejected),
            "payload": payloads,
            "payload_encoding": encodings,
            "attributes": rejected["attributes"],
            "source": pa.scalar(source),
            "position": rejected["position"],
            "event_time": rejected["event_time_us"].cast(pa.timestamp("us")),
            "user_id": rejected["user_id"],
            "event_type": rejected["event_type"],
            "pipeline_version": pa.scalar(pipeline_version),
        }
    )


def rows_of_sources(
    by_source: Mapping[str, Rejections], failed_at: datetime, pipeline_version: str
) -> pa.Table:
    """The rows of dead_letter_events for the rejections of several sources."""
    tables = [
        rows(rejections, source, failed_at, pipeline_version)
        for source, rejections in by_source.items()
    ]
    return pa.concat_tables([TABLE.arrow_schema.empty_table(), *tables])


def cut_short(dead_letters: pa.Table) -> NDArray[np.bool_]:
    """Which rows hold only the beginning of their record: bool [rows]."""
    found = pc.match_substring_regex(dead_letters["error_message"], _CUT_MESSAGE)
    cut: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return cut


def payloads(dead_letters: pa.Table) -> list[bytes]:
    """The records of rows as they came, but for what was cut off."""
    texts, encodings = (
        dead_letters["payload"].to_pylist(),
        dead_letters["payload_encoding"].to_pylist(),
    )
    return [
        base64.b64decode(text) if encoding == "base64" else text.encode()
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def _cut(rejected: pa.Table) -> NDArray[np.int64]:
    """The rows whose payload is only the beginning of their record."""
    cut = pc.greater(rejected["size"], pc.binary_length(rejected["payload"])).fill_null(False)
    return np.flatnonzero(cut.to_numpy(zero_copy_only=False))


def _messages(rejected: pa.Table) -> pa.ChunkedArray | list[str]:
    cut = _cut(rejected)
    if not len(cut):
        return rejected["message"]
    messages: list[str] = rejected["message"].to_pylist()
    for row in cut.tolist():
        size, kept = rejected["size"][row].as_py(), len(rejected["payload"][row].as_py())
        messages[row] += f"; it has {size:,} bytes, {_CUT} {kept:,}: take the rest from the source"
    return messages


def _encoded(rejected: pa.Table) -> tuple[pa.ChunkedArray, pa.Scalar | list[str]]:
    """The payloads as text, and how each is encoded."""
    payloads = rejected["payload"]
    cut = set(_cut(rejected).tolist())
    if not cut:
        with contextlib.suppress(pa.ArrowInvalid):
            return payloads.cast(pa.string()), pa.scalar("utf-8")
    texts, encodings = [], []
    for row, payload in enumerate(payloads.to_pylist()):
        try:
            # The cut may go through a character.
            text, _ = codecs.utf_8_decode(payload, "strict", row not in cut)
            encoding = "utf-8"
        except UnicodeDecodeError:
            text, encoding = base64.b64encode(payload).decode("ascii"), "base64"
        texts.append(text)
        encodings.append(encoding)
    return pa.chunked_array([pa.array(texts, pa.string())]), encodings


def _dead_letter_ids(rejected: pa.Table, source: str) -> pa.ChunkedArray:
    """Hashes of source, position and payload; of a record that is cut its size counts too."""
    begun = hashlib.blake2b(_framed(source.encode()), digest_size=16)
    cut = dict.fromkeys(_cut(rejected).tolist(), b"")
    for row in cut:
        cut[row] = _framed(str(rejected["size"][row].as_py()).encode())
    chunks, row = [], 0
    for batch in rejected.select(["position", "payload"]).to_batches(max_chunksize=10_000):
        ids = []
        for position, payload in zip(*(column.to_pylist() for column in batch), strict=True):
            digest = begun.copy()
            digest.update(
                b"%b%b%b" % (_framed(position.encode()), _framed(payload), cut.get(row, b""))
            )
            ids.append(digest.hexdigest())
            row += 1
        chunks.append(pa.array(ids, pa.string()))
    return pa.chunked_array(chunks, pa.string())


def _framed(part: bytes) -> bytes:
    """A part behind its length, so that no two sequences of parts look alike."""
    return len(part).to_bytes(8, "big") + part
