"""A table that a run stages once, so that its workers look things up in it wherever they are."""

from __future__ import annotations

import uuid

import pyarrow as pa

from pipeline import storage
from pipeline.errors import RunError
from pipeline.storage_errors import storage_errors, storage_reason


def stage_arrow(table: pa.Table, staging: str, name: str, what: str) -> str:
    """Stage a table, with its metadata, and give the path of its file.

    Args:
        table: what workers need.
        staging: the folder, which launcher and workers reach.
        name: how the file's name begins.
        what: what the table is, for messages.

    Raises:
        RunError: if it can't be staged.
    """
    path = storage.join(staging, f"{name}-{uuid.uuid4().hex}.arrow")
    try:
        with storage.create(path) as stream, pa.ipc.new_file(stream, table.schema) as writer:
            # One batch: its columns are looked up in as they lie there.
            writer.write_table(table, max_chunksize=max(table.num_rows, 1))
    except storage_errors() as error:
        raise RunError(
            f"can't stage {what} in {path} ({storage_reason(error)}): make room, see that you may "
            "write there, or stage elsewhere with --temp_location, and run again"
        ) from error
    return path


def read_arrow(path: str, what: str) -> pa.Table:
    """Read what `stage_arrow` staged.

    Raises:
        RunError: if it can't be read.
    """
    # Of a file on this machine all processes share the pages.
    remote = "://" in path
    try:
        with storage.opened(path) if remote else pa.memory_map(path) as stream:
            return pa.ipc.open_file(stream.read() if remote else stream).read_all()
    except storage_errors(pa.ArrowException) as error:
        raise RunError(
            f"{path}: {what} can't be read ({storage_reason(error)}): see that nobody else clears "
            "that folder, and run again"
        ) from error
