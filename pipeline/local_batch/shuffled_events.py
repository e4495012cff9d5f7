"""Events by user shard in files of this machine, which several processes write and read."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.errors import RunError
from transforms.kernels.event_batch import alike
from transforms.kernels.user_shards import user_shards

# Some 60 MB in memory, and as much on disk.
_ROWS_OF_FILE: Final = 500_000
# Of events with long user ids, whose column may hold 2 GB.
_BYTES_OF_FILE: Final = 256 << 20


@dataclass
class ShuffleWriter:
    """Writes events, those of a shard's users as one batch of a file.

    Attributes:
        folder: of this machine.
        shards: how many there are.
        key: of the run, by `shard_key`.
        rows_of_file: about how many events a file holds, which are in memory together.
        bytes_of_file: about how many bytes they may have there.
    """

    folder: str
    shards: int
    key: bytes
    rows_of_file: int = _ROWS_OF_FILE
    bytes_of_file: int = _BYTES_OF_FILE
    _waiting: list[pa.RecordBatch] = field(default_factory=list)
    _rows: int = 0
    _bytes: int = 0
    _paths: list[str] = field(default_factory=list)

    def add(self, events: pa.RecordBatch) -> None:
        """Take some events, with the schema EVENT_BATCH or IDENTIFIED_BATCH.

        Raises:
            RunError: if they can't be written.
        """
        if len(events):
            self._waiting.append(events)
            self._rows += len(events)
            self._bytes += events.nbytes
        if self._rows >= self.rows_of_file or self._bytes >= self.bytes_of_file:
            self._write()

    def close(self) -> list[str]:
        """Write what is left; gives the paths of all files.

        Raises:
            RunError: if it can't be written.
        """
        if self._waiting:
            self._write()
        return self._paths

    def _write(self) -> None:
        table = pa.Table.from_batches(alike(self._waiting)).unify_dictionaries()
        self._waiting, self._rows, self._bytes = [], 0, 0
        (events,) = table.combine_chunks().to_batches()
        shard = user_shards(events["user_id"], self.key, self.shards)
        order = np.argsort(shard, kind="stable")
        events = events.take(pa.array(order))
        bounds = np.searchsorted(shard[order], np.arange(self.shards + 1)).tolist()
        path = os.path.join(self.folder, f"{uuid.uuid4().hex}.arrow")
        try:
            with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, events.schema) as writer:
                for start, end in pairwise(bounds):
                    writer.write_batch(events.slice(start, end - start))
        except OSError as error:
            raise RunError(
                f"can't write events to {self.folder} ({error.strerror or error}): make room "
                "there, and run again; no table was touched"
            ) from error
        self._paths.append(path)


class ShuffleReader:
    """Reads what ShuffleWriters have written, through the system's cache of files.

    No file stays open: a process may have 1,024, and there may be more of these.

    Args:
        paths: of all files.

    Raises:
        RunError: if a file can't be read.
    """

    def __init__(self, paths: Sequence[str]):
        try:
            self._files = [_mapped(path) for path in paths]
        except (OSError, pa.ArrowException) as error:
            raise RunError(
                f"events that were written to be sorted can't be read back ({error}): see that "
                "nobody clears that folder, and run again; no table was touched"
            ) from error

    def events_of(self, shard: int) -> list[pa.RecordBatch]:
        """The events of a shard's users."""
        batches = (file.get_batch(shard) for file in self._files)
        return [batch for batch in batches if len(batch)]


def _mapped(path: str) -> pa.RecordBatchFileReader:
    with pa.memory_map(path) as file:
        return pa.ipc.open_file(file.read_buffer())
