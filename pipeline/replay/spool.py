"""The dead letters of a warehouse as they were at one moment, in a file without a name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.warehouse import TableReader
from transforms.kernels.dead_letters import Record, Selection, how_to_read
from transforms.marts import dead_letter_events

_PART_ROWS: Final = 5_000
# A dead letter may have 10 MB: so many rows would have 50 GB.
_PART_BYTES: Final = 16 << 20
_READ: Final = ["dead_letter_id", "error_type", "attributes", "source"]


class DeadLetter(NamedTuple):
    """A dead letter that is to be tried again.

    Attributes:
        dead_letter_id: its id.
        error_type: why it was rejected.
        error_message: likewise, with the offending value.
        record: the record as it came.
    """

    dead_letter_id: str
    error_type: str
    error_message: str
    record: Record


@dataclass(frozen=True)
class DeadLetters:
    """Dead letters, which can be gone through more than once, always in the same order.

    Attributes:
        rows: how many there are.
    """

    rows: int
    _file: IO[bytes]

    def parts(self) -> Iterator[pa.Table]:
        """Rows of dead_letter_events, some thousand at a time."""
        self._file.seek(0)
        reader = pa.ipc.open_file(self._file)
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])

    def chosen(self, selection: Selection) -> Iterator[DeadLetter]:
        """The dead letters to try."""
        for part in self.parts():
            yield from dead_letters_of(part, chosen_rows(part, selection))


@contextmanager
def spooled(warehouse: TableReader) -> Iterator[DeadLetters]:
    """The dead letters of a warehouse as they are now.

    Raises:
        RunError: if they can't be read.
    """
    table = dead_letter_events.TABLE
    rows = 0
    with tempfile.TemporaryFile(prefix="growth-replay-") as file:
        with pa.ipc.new_file(file, table.arrow_schema) as writer:
            for part in warehouse.batches(table, table.column_names):
                fitting = part.num_rows * _PART_BYTES // max(part.nbytes, 1)
                writer.write_table(part, max_chunksize=max(1, min(_PART_ROWS, fitting)))
                rows += part.num_rows
        yield DeadLetters(rows, file)


def chosen_rows(part: pa.Table, selection: Selection) -> NDArray[np.int64]:
    """The rows of a part that are to be tried: those that were cut short never pass truly."""
    return np.flatnonzero(selection.of(part) & ~dead_letter_events.cut_short(part))


def dead_letters_of(part: pa.Table, rows: NDArray[np.int64]) -> Iterator[DeadLetter]:
    """Some rows of a part.

    Raises:
        DataError: if nothing says how to read one.
    """
    chosen = part.take(pa.array(rows))
    for dead_letter, payload in zip(
        chosen.select([*_READ, "error_message"]).to_pylist(),
        dead_letter_events.payloads(chosen),
        strict=True,
    ):
        yield DeadLetter(
            dead_letter["dead_letter_id"],
            dead_letter["error_type"],
            dead_letter["error_message"],
            Record(payload, how_to_read(dead_letter)),
        )
