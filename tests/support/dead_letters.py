"""Dead letters by hand: rows of dead_letter_events, and a warehouse that has nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.replay.spool import DeadLetter
from tests.support.in_process import start
from tests.support.tables import NOW
from transforms.kernels.csv_layout import Layout
from transforms.kernels.dead_letters import Record
from transforms.kernels.records import MAX_RECORD_BYTES, Rejection, Rejections
from transforms.marts import dead_letter_events
from transforms.vocabulary import SOURCE_COLUMNS


def dead_letter(
    data: bytes, header: Sequence[str] | None = SOURCE_COLUMNS, name: str = "1"
) -> DeadLetter:
    """A dead letter to try; without a header a JSON object."""
    record = Record(data, None if header is None else Layout.of(header))
    return DeadLetter(name, "bad_country", "country 'x' is not two letters", record)


def rows(
    *payloads: bytes,
    source: str = "/data/events.csv",
    attributes: str | None = None,
    error_type: str = "bad_country",
    failed_at: datetime = NOW,
) -> pa.Table:
    """Rows of dead_letter_events, one for each payload."""
    rejections = [
        Rejection(
            "validate",
            error_type,
            "it is wrong",
            payload[:MAX_RECORD_BYTES],
            str(at),
            attributes,
            len(payload),
        )
        for at, payload in enumerate(payloads)
    ]
    return dead_letter_events.rows(Rejections.of(rejections), source, failed_at, "1")


class Holding:
    """As much of a warehouse as the spool asks for."""

    def __init__(self, *parts: pa.Table):
        self._parts = parts

    def batches(self, *_: Any) -> Iterator[pa.Table]:
        """The parts, whatever is asked for."""
        yield from self._parts


def run_replay(database: Path, *arguments: str) -> None:
    """The replay command on a DuckDB file, in this process."""
    start("replay", *arguments, "--warehouse", f"duckdb:///{database}")
