"""dead_letter_events: one row per rejected input."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.checks import HEX_ID, Holds, Matches, one_of
from transforms.contract import STRING, TIMESTAMP, Partition, Table, nullable, required
from transforms.kernels.records import MAX_RECORD_BYTES, Rejection

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
            "JSON: the message's attributes; of a CSV record its file's header where that is not "
            "the eight columns in their usual order; replay_tries where replays have tried it",
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

_CUT: Final = "of which payload holds the first"
_CUT_MESSAGE: Final = rf"; it has [0-9,]+ bytes, {_CUT} [0-9,]+: take the rest from the source$"


def rows(
    rejections: Sequence[Rejection],
    source: str,
    failed_at: datetime,
    pipeline_version: str,
) -> pa.Table:
    """The rows of dead_letter_events for the rejections of one source, in their order."""
    if not rejections:
        return TABLE.arrow_schema.empty_table()
    encoded = [_encode(rejection.payload) for rejection in rejections]
    return TABLE.build(
        {
            "dead_letter_id": [_letter_id(rejection, source) for rejection in rejections],
            "failed_at": [failed_at] * len(rejections),
            "stage": [rejection.stage for rejection in rejections],
            "error_type": [rejection.error_type for rejection in rejections],
            "error_message": [_message(rejection) for rejection in rejections],
            "payload": [payload for payload, _ in encoded],
            "payload_encoding": [encoding for _, encoding in encoded],
            "attributes": [rejection.attributes for rejection in rejections],
            "source": [source] * len(rejections),
            "position": [rejection.position for rejection in rejections],
            "event_time": [rejection.event_time_us for rejection in rejections],
            "user_id": [rejection.user_id for rejection in rejections],
            "event_type": [rejection.event_type for rejection in rejections],
            "pipeline_version": [pipeline_version] * len(rejections),
        }
    )


def cut_short(letters: pa.Table) -> NDArray[np.bool_]:
    """Which rows hold only the beginning of their record: bool [rows]."""
    found = pc.match_substring_regex(letters["error_message"], _CUT_MESSAGE)
    cut: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return cut


def payloads(letters: pa.Table) -> list[bytes]:
    """The records of rows as they came, but for what was cut off."""
    texts, encodings = letters["payload"].to_pylist(), letters["payload_encoding"].to_pylist()
    return [
        base64.b64decode(text) if encoding == "base64" else text.encode()
        for text, encoding in zip(texts, encodings, strict=True)
    ]


def _message(rejection: Rejection) -> str:
    size = len(rejection.payload)
    if size <= MAX_RECORD_BYTES:
        return rejection.message
    return (
        f"{rejection.message}; it has {size:,} bytes, {_CUT} "
        f"{MAX_RECORD_BYTES:,}: take the rest from the source"
    )


def _encode(payload: bytes) -> tuple[str, str]:
    kept = payload[:MAX_RECORD_BYTES]
    try:
        payload.decode()
    except UnicodeDecodeError:
        return base64.b64encode(kept).decode("ascii"), "base64"
    return kept.decode(errors="ignore"), "utf-8"  # The cut may go through a character.


def _letter_id(rejection: Rejection, source: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (source.encode(), rejection.position.encode(), rejection.payload):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
