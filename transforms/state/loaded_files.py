"""loaded_files: one row per file whose events the tables hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from transforms.contract import INTEGER, STRING, TIMESTAMP, Table, required

TABLE = Table(
    name="loaded_files",
    description="One row per file that was loaded, as it was then.",
    columns=(
        required("path", STRING, "The file: an absolute path, or gs://"),
        required("size", INTEGER, "Its stored size in bytes"),
        required(
            "fingerprint",
            STRING,
            "What tells it from another file of that path: on gs:// its generation, elsewhere the "
            "nanosecond at which it was written, a hash of samples of it, and its CRC-32C",
        ),
        required("input_rows", INTEGER, "The records that were read from it"),
        required(
            "dead_letters",
            INTEGER,
            "How many of them were dead letters then, but for those that are conflicting_event, or "
            "of users over a rate",
        ),
        required("run_id", STRING, "The run that loaded it"),
        required("loaded_at", TIMESTAMP, "When that run began"),
    ),
    primary_key=("path",),
    written_at="loaded_at",
)


class LoadedFile(NamedTuple):
    """A file that was loaded; its fields are columns of the table."""

    path: str
    size: int
    fingerprint: str
    input_rows: int
    dead_letters: int


def rows(files: Sequence[LoadedFile], run_id: str, loaded_at: datetime) -> pa.Table:
    """The rows of files that one run has loaded.

    Args:
        files: in any order.
        run_id: the run's id.
        loaded_at: when it began, in UTC without a zone.
    """
    columns = zip(*files, strict=True) if files else ((),) * len(LoadedFile._fields)
    return TABLE.build(
        {
            **{
                name: list(values) for name, values in zip(LoadedFile._fields, columns, strict=True)
            },
            "run_id": pa.scalar(run_id),
            "loaded_at": pa.scalar(loaded_at, pa.timestamp("us")),
        }
    )


def files_of(rows: pa.Table) -> dict[str, LoadedFile]:
    """The files that rows of loaded_files tell of, by their paths."""
    found = rows.select(list(LoadedFile._fields)).to_pylist()
    return {row["path"]: LoadedFile(**row) for row in found}
