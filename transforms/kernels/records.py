"""Raw records: what a source hands to the parser, with enough to quote a bad one as it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# BigQuery loads rows of up to 50 MB. A dead letter holds this much as base64, and may repeat it as
# user_id and event_type: 34 MB. It is also the longest message of Pub/Sub.
MAX_RECORD_BYTES: Final = 10_000_000


class Origin(Protocol):
    """Where the rows of a batch came from."""

    def sizes(self) -> NDArray[np.int64]:
        """int64 [rows], the bytes of the input behind each row."""

    def payload(self, row: int) -> bytes:
        """The input behind a row, as it came."""

    def position(self, row: int) -> str:
        """Where in the source it stood."""

    def attributes(self, row: int) -> str | None:
        """What else it came with, as JSON."""


@dataclass(frozen=True)
class Spans:
    """Rows that are spans of a block of a file.

    Attributes:
        data: the block.
        starts, ends: int64 [rows], offsets in the block.
        offset: the block's own byte offset in the (uncompressed) file.
        header: what is needed beside a record to read it again, as JSON.
    """

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offset: int
    header: str | None = None

    def sizes(self) -> NDArray[np.int64]:
        return self.ends - self.starts

    def payload(self, row: int) -> bytes:
        return self.data[self.starts[row] : self.ends[row]]

    def position(self, row: int) -> str:
        return str(self.offset + int(self.starts[row]))

    def attributes(self, row: int) -> str | None:
        return self.header


@dataclass(frozen=True)
class Unreadable:
    """A record that has no columns: it never became a row.

    Attributes:
        error_type: the dead letter's code.
        message: what is wrong with it.
        payload: the record as it came.
        position: where in the source it stood.
        attributes: what else it came with, as JSON.
    """

    error_type: str
    message: str
    payload: bytes
    position: str
    attributes: str | None = None


@dataclass(frozen=True)
class RawRecords:
    """Some records of one source.

    Attributes:
        columns: the eight source columns, in the vocabulary's order, as string or dictionary
            arrays of equal length.
        origin: where each row came from.
        source: the file's path, or the subscription.
        unreadable: records that could not be split into columns.
    """

    columns: Sequence[pa.Array]
    origin: Origin
    source: str
    unreadable: Sequence[Unreadable] = field(default=())

    @property
    def rows(self) -> int:
        """How many records became rows."""
        return len(self.columns[0])

    @property
    def nbytes(self) -> int:
        """About how much memory the columns take."""
        return sum(int(column.nbytes) for column in self.columns)

    def __len__(self) -> int:
        return self.rows + len(self.unreadable)


@dataclass(frozen=True)
class Rejection:
    """A record that is no event.

    Attributes:
        stage: where it failed.
        error_type: a short stable code.
        message: what is wrong, with the offending value, in one line.
        payload: the record as it came.
        position: where in its source it stood.
        attributes: what else it came with, as JSON.
        event_time_us, user_id, event_type: as far as they could be read.
    """

    stage: str
    error_type: str
    message: str
    payload: bytes
    position: str
    attributes: str | None = None
    event_time_us: int | None = None
    user_id: str | None = None
    event_type: str | None = None
