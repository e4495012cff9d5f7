"""Raw records: what a source hands to the parser, with enough to quote a bad one as it came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.time_hints import format_hint

# BigQuery loads rows of up to 50 MB. A dead letter holds this much as base64, and may repeat it as
# user_id and event_type: 34 MB. It is also the longest message of Pub/Sub.
MAX_RECORD_BYTES: Final = 10_000_000
OVERSIZED: Final = (
    f"the record is longer than the {MAX_RECORD_BYTES:,} bytes that a table's row may hold"
)


def encoding_problem(record: bytes) -> str | None:
    """What is wrong with a record that is no UTF-8; None where nothing is."""
    try:
        record.decode()
    except UnicodeDecodeError as error:
        return (
            f"byte {record[error.start]:#04x} at offset {error.start} of the record is not UTF-8; "
            'a file in another encoding is read by --rules, e.g. with [input] encoding = "cp1252"'
        )
    return None


class Origin(Protocol):
    """Where the rows of a batch came from."""

    def sizes(self) -> NDArray[np.int64]:
        """int64 [rows], the bytes of the input behind each row."""

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        """The input behind some rows, as it came."""

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
        attributes_json: what is needed beside a record to read it again, as JSON.
    """

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    offset: int
    attributes_json: str | None = None

    def sizes(self) -> NDArray[np.int64]:
        return self.ends - self.starts

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [self.data[self.starts[row] : self.ends[row]] for row in rows]

    def position(self, row: int) -> str:
        return str(self.offset + int(self.starts[row]))

    def attributes(self, row: int) -> str | None:
        return self.attributes_json


class Rejection(NamedTuple):
    """A record that is no event.

    Attributes:
        stage: where it failed.
        error_type: a short stable code.
        message: what is wrong, with the offending value, in one line.
        payload: the record as it came; of one over MAX_RECORD_BYTES the beginning.
        position: where in its source it stood.
        attributes: what else it came with, as JSON.
        size: how many bytes it has; None for those of `payload`.
        event_time_us, user_id, event_type: as far as they could be read.
    """

    stage: str
    error_type: str
    message: str
    payload: bytes
    position: str
    attributes: str | None = None
    size: int | None = None
    event_time_us: int | None = None
    user_id: str | None = None
    event_type: str | None = None

    @classmethod
    def unreadable(
        cls,
        error_type: str,
        message: str,
        payload: bytes,
        position: str,
        attributes: str | None = None,
        beyond: int = 0,
    ) -> Rejection:
        """A record that could not be split into columns.

        Args:
            error_type, message: why not; of one that is too long, that it is.
            payload: the record, or its beginning.
            position, attributes: as above.
            beyond: how many more bytes the record has.
        """
        size = len(payload) + beyond
        if size > MAX_RECORD_BYTES:
            kept = payload[:MAX_RECORD_BYTES]
            return cls("parse", "oversized_record", OVERSIZED, kept, position, attributes, size)
        return cls("parse", error_type, message, payload, position, attributes)


REJECTED: Final = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error_type", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
        pa.field("position", pa.string(), nullable=False),
        pa.field("attributes", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("event_time_us", pa.int64()),
        pa.field("user_id", pa.string()),
        pa.field("event_type", pa.string()),
    ]
)


@dataclass(frozen=True)
class Rejections:
    """Records that are no events, as columns: a Python object for each would weigh ten times more.

    Attributes:
        table: the attributes of `Rejection` as columns, with the schema REJECTED.
    """

    table: pa.Table

    @classmethod
    def of(cls, rejections: Iterable[Rejection]) -> Rejections:
        """Rejections one by one as columns."""
        columns = zip(*rejections, strict=True)
        lists = list(columns) or [()] * len(REJECTED)
        arrays = [
            pa.array(values, field.type) for values, field in zip(lists, REJECTED, strict=True)
        ]
        return cls(pa.Table.from_arrays(arrays, schema=REJECTED))

    @classmethod
    def total(cls, parts: Sequence[Rejections]) -> Rejections:
        """The rejections of several parts, one after the other."""
        return cls(pa.concat_tables([REJECTED.empty_table(), *(part.table for part in parts)]))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Rejection]:
        for batch in self.table.to_batches(max_chunksize=1024):
            yield from map(Rejection, *(column.to_pylist() for column in batch.columns))


NO_REJECTIONS: Final = Rejections.of([])


# What failures are about that rules, or a conversion by them, may lead to.
_COLUMN_OF: Final = {
    "bad_event_time": "event_time",
    "event_time_out_of_range": "event_time",
    "too_late": "event_time",
    "bad_miles_amount": "miles_amount",
    "too_many_miles": "miles_amount",
}


@dataclass(frozen=True)
class Reading:
    """What rules say of the records that were read by them.

    Attributes:
        failures: by error_type the rows whose value the rules can't read, bool [rows]; their column
            holds what the source has.
        reasons: by error_type why not, to be said behind the source's value.
        hints: by error_type what is said behind what the parser says.
        texts: by source column what the source has, of those that rules have converted.
        formats: of times, as rules name them.
    """

    failures: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, pa.Array] = field(default_factory=dict)
    formats: Sequence[str] = ()

    def failing(self, error_type: str) -> NDArray[np.bool_] | np.bool_:
        """The rows that fail by what rules say."""
        return self.failures.get(error_type, np.False_)

    def message(self, error_type: str, row: int, message: str) -> str:
        """What is wrong with a row, with the source's own value.

        Args:
            error_type: the rule that it fails.
            row: its index.
            message: what the parser says of it.
        """
        column = _COLUMN_OF.get(error_type, "")
        own = shown(self._text(column, row)) if column in self.texts else ""
        if error_type in self.failures and self.failures[error_type][row]:
            is_time = column == "event_time"
            hint = format_hint(self._text(column, row), self.formats) if is_time else ""
            return f"{column} {own} {self.reasons[error_type]}{hint}"
        source = f"; the source has {own}" if own else ""
        return f"{message}{source}{self.hints.get(error_type, '')}"

    def _text(self, column: str, row: int) -> str:
        return str(self.texts[column][row].as_py()).strip()


def shown(text: str) -> str:
    """A value for an error message, in one line and not too long."""
    return repr(text if len(text) <= 100 else text[:100] + "...")


@dataclass(frozen=True)
class Excluded:
    """Records that rules leave out.

    Attributes:
        by_rule: by the key of the rule its rows, bool [rows]; no row is of two.
        kept: whether they are dead letters; else they are only counted.
    """

    by_rule: Mapping[str, NDArray[np.bool_]]
    kept: bool = False

    @property
    def rows(self) -> NDArray[np.bool_] | np.bool_:
        """All of them."""
        found: NDArray[np.bool_] | np.bool_ = np.False_
        for rows in self.by_rule.values():
            found = found | rows
        return found

    def rule_of(self, row: int) -> str:
        """The key of the rule by which a row is left out."""
        return next(name for name, rows in self.by_rule.items() if rows[row])


@dataclass(frozen=True)
class RawRecords:
    """Some records of one source.

    Attributes:
        columns: the eight source columns, in the vocabulary's order, as string or dictionary
            arrays of equal length.
        origin: where each row came from.
        source: the file's path, or the subscription.
        unreadable: records that could not be split into columns.
        reading: of records that were read by rules, what these say of them.
        event_ids: the source's ids of the events, blank where it has none, as a string array; None
            where nothing says which column they are.
        excluded: those that rules leave out; None for none.
    """

    columns: Sequence[pa.Array]
    origin: Origin
    source: str
    unreadable: Rejections = NO_REJECTIONS
    reading: Reading = Reading()
    event_ids: pa.Array | None = None
    excluded: Excluded | None = None

    def telling_excluded(self) -> RawRecords:
        """The same, of which those that rules leave out fail, with their rule as the reason."""
        kept = None if self.excluded is None else replace(self.excluded, kept=True)
        return replace(self, excluded=kept)

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
