"""Raw records -> typed events and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.figure_settings import FigureSettings
from transforms.kernels import fields
from transforms.kernels.calendar import US_PER_MINUTE
from transforms.kernels.event_batch import EVENT_BATCH, with_identity
from transforms.kernels.event_time import parse_event_times
from transforms.kernels.forgotten import Forgotten, mentioning
from transforms.kernels.person_ids import People, other_ids
from transforms.kernels.records import (
    MAX_RECORD_BYTES,
    OVERSIZED,
    RawRecords,
    Reading,
    Rejection,
    Rejections,
    shown,
)
from transforms.kernels.time_hints import time_hint
from transforms.reckoning import PLAIN
from transforms.vocabulary import EVENT_TYPES, MILES_EARNED, MILES_REDEEMED, PLATFORMS

# BigQuery's TIMESTAMP, and Python's datetime, know the years 1 to 9999.
_YEAR_1_US: Final = int(np.datetime64("0001-01-01", "us").astype(np.int64))
_YEAR_10000_US: Final = int(np.datetime64("10000-01-01", "us").astype(np.int64))

# In the order in which the rules are tried: a record's first failure is its error_type.
EXCLUDED: Final = "excluded"
ERROR_TYPES: Final = (
    EXCLUDED,
    "oversized_record",
    "missing_user_id",
    "bad_event_time",
    "event_time_out_of_range",
    "unknown_event_type",
    "missing_miles_amount",
    "bad_miles_amount",
    "too_many_miles",
    "unknown_platform",
    "bad_country",
    "too_late",
)

# Rejected rows that are Python objects at a time, some kB each.
_PART_ROWS: Final = 10_000
# Of event types in a message: own ones may be many.
_SHOWN_TYPES: Final = 10

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """Which event times and event types are taken.

    Attributes:
        max_future_minutes: event times may be so far ahead of now.
        since_us: those from before it come too late; microseconds since 1970-01-01.
        event_types: the names of the event types, by their codes.
        earliest: the first date, in UTC, of which event times are taken.
    """

    max_future_minutes: int = 60
    since_us: int = 0
    event_types: tuple[str, ...] = EVENT_TYPES
    earliest: date = PLAIN.earliest

    @classmethod
    def of(cls, figures: FigureSettings, max_future_minutes: int = 60, since_us: int = 0) -> Limits:
        """Those of a warehouse with some settings."""
        earliest = figures.reckoning.earliest
        return cls(max_future_minutes, since_us, figures.known, earliest)

    @property
    def earliest_us(self) -> int:
        """The first moment that is taken, in microseconds since 1970-01-01."""
        return int(np.datetime64(self.earliest, "us").astype(np.int64))


@dataclass(frozen=True)
class Parsed:
    """What became of some raw records.

    Attributes:
        events: the events, with the schema EVENT_BATCH, or IDENTIFIED_BATCH where the records have
            event ids.
        rejections: the other records, with the reason of each; of stored events none.
        ignored_amounts: how many events of other types than the miles types had a miles_amount.
        forgotten: how many records were dropped, because their users were forgotten.
        excluded: by the key of a rule how many records it has left out, of those that are nowhere.
    """

    events: pa.RecordBatch
    rejections: Rejections
    ignored_amounts: int
    forgotten: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """About how much memory the events take."""
        return int(self.events.nbytes)


@dataclass(frozen=True)
class _Columns:
    """The source columns of a batch, parsed; rows that fail a rule hold anything there."""

    time_us: NDArray[np.int64]
    known_time: Masks
    user_id: pa.Array
    event_type: NDArray[np.int64]
    category: pa.DictionaryArray
    miles: NDArray[np.int64]
    platform: NDArray[np.int64]
    utm_source: pa.DictionaryArray
    country: pa.DictionaryArray
    bad_country: Masks

    @classmethod
    def of(cls, columns: Sequence[pa.Array], event_types: Sequence[str]) -> _Columns:
        times, users, types, categories, amounts, platforms, sources, countries = columns
        time_us, known_time = parse_event_times(fields.trimmed(_plain(times)))
        country, bad_country = fields.labels(_encoded(countries), fields.country)
        return cls(
            time_us=time_us,
            known_time=known_time,
            user_id=fields.trimmed(_plain(users)),
            event_type=fields.codes(_encoded(types), fields.event_type_code(event_types)),
            category=fields.labels(_encoded(categories), fields.category)[0],
            miles=fields.amounts(_encoded(amounts)),
            platform=fields.codes(_encoded(platforms), fields.platform_code),
            utm_source=fields.labels(_encoded(sources), fields.utm_source)[0],
            country=country,
            bad_country=bad_country,
        )

    @property
    def is_miles(self) -> Masks:
        """Whether the event type is one of the two that need a miles_amount."""
        is_miles: Masks = (self.event_type == MILES_EARNED) | (self.event_type == MILES_REDEEMED)
        return is_miles

    def failures(self, now_us: int, limits: Limits, reading: Reading) -> list[Masks]:
        """For each of ERROR_TYPES but the first two the rows that fail its rule."""
        latest_us = now_us + limits.max_future_minutes * US_PER_MINUTE
        return [
            fields.blank(self.user_id),
            ~self.known_time | reading.failing("bad_event_time"),
            (self.time_us < limits.earliest_us) | (self.time_us > latest_us),
            self.event_type < 0,
            self.is_miles & (self.miles == fields.ABSENT),
            self.is_miles & ((self.miles == fields.REFUSED) | reading.failing("bad_miles_amount")),
            self.is_miles & (self.miles == fields.TOO_MANY),
            self.platform < 0,
            self.bad_country,
            self.time_us < limits.since_us,
        ]


def parse_records(
    records: RawRecords,
    now: datetime,
    limits: Limits,
    forgotten: Forgotten | None = None,
    people: People | None = None,
) -> Parsed:
    """Events and rejections of raw records.

    Args:
        records: from any source.
        now: in UTC without a zone.
        limits: which event times and types are taken.
        forgotten: whose records are dropped, whichever of their ids they have; None for nobody's.
        people: who is known by which ids; None for everybody by one.
    """
    columns = _Columns.of(records.columns, limits.event_types)
    came_as = columns.user_id
    if people is not None:
        columns = replace(columns, user_id=people.known(came_as))
    now_us = int(np.datetime64(now, "us").astype(np.int64))
    oversized = records.origin.sizes() > MAX_RECORD_BYTES
    dropped = among_forgotten(came_as, columns.user_id, forgotten)
    forgotten_rows = int(dropped.sum())
    none = np.zeros(len(dropped), np.bool_)
    excluded = none if records.excluded is None else (records.excluded.rows & ~dropped) | none
    counted: dict[str, int] = {}
    if records.excluded is not None and not records.excluded.kept:
        rules = records.excluded.by_rule.items()
        counted = {name: int((rows & excluded).sum()) for name, rows in rules}
        dropped, excluded = dropped | excluded, none
    failures = [excluded, oversized, *columns.failures(now_us, limits, records.reading)]
    failed = np.logical_or.reduce(failures)
    first_failure = np.stack(failures).argmax(axis=0)
    unreadable = _remembered(records.unreadable, forgotten)
    rejected = np.flatnonzero(failed & ~dropped)
    parts = [
        _rejections(records, columns, rejected[at : at + _PART_ROWS], first_failure, limits)
        for at in range(0, len(rejected), _PART_ROWS)
    ]
    rejections = Rejections.total([*parts, unreadable])
    left_out = failed | dropped
    kept = np.flatnonzero(~left_out)
    events, ignored = _events(columns, kept, left_out.any())
    if records.event_ids is not None:
        identity = _identity(records, records.event_ids, kept)
        if columns.user_id is not came_as:
            identity["came_as"] = other_ids(came_as.take(pa.array(kept)), events["user_id"])
        events = with_identity(events, identity)
    gone = forgotten_rows + len(records.unreadable) - len(unreadable)
    return Parsed(events, rejections, ignored, gone, counted)


def among_forgotten(came_as: pa.Array, user_ids: pa.Array, forgotten: Forgotten | None) -> Masks:
    """The rows of forgotten users.

    Args:
        came_as: their ids in the source.
        user_ids: those by which they are known, the same array where all are known by these.
        forgotten: who was forgotten; None for nobody.
    """
    if forgotten is None:
        return np.zeros(len(user_ids), np.bool_)
    theirs = forgotten.among(user_ids)
    return theirs if came_as is user_ids else theirs | forgotten.among(came_as)


def _remembered(unreadable: Rejections, forgotten: Forgotten | None) -> Rejections:
    """Those that do not hold the id of a forgotten user."""
    if forgotten is None or not len(unreadable):
        return unreadable
    theirs = mentioning(forgotten, unreadable.table["payload"].to_pylist())
    return Rejections(unreadable.table.filter(pa.array(~theirs)))


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def _events(
    columns: _Columns, rows: NDArray[np.int64], some_failed: bool
) -> tuple[pa.RecordBatch, int]:
    is_miles = columns.is_miles
    arrays: list[pa.Array] = [
        pa.array(columns.time_us).cast(pa.timestamp("us")),
        columns.user_id,
        pa.array(columns.event_type.astype(np.int8)),
        columns.category,
        pa.array(columns.miles, mask=~is_miles),
        pa.array(columns.platform.astype(np.int8)),
        columns.utm_source,
        columns.country,
    ]
    ignored = ~is_miles & (columns.miles != fields.ABSENT)
    if some_failed:
        taken = pa.array(rows)
        arrays = [array.take(taken) for array in arrays]
        ignored = ignored[rows]
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT_BATCH), int(ignored.sum())


def _identity(
    records: RawRecords, event_ids: pa.Array, rows: NDArray[np.int64]
) -> dict[str, pa.Array]:
    """What rows that are events have of IDENTITY."""
    ids = fields.trimmed(event_ids.take(pa.array(rows)))
    position = records.origin.position
    return {
        "source_id": pc.if_else(pa.array(fields.blank(ids)), pa.scalar(None, pa.string()), ids),
        "source": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(rows), np.int32)), pa.array([records.source])
        ),
        "position": pa.array([position(row) for row in rows.tolist()], pa.string()),
    }


def _rejections(
    records: RawRecords,
    columns: _Columns,
    rows: NDArray[np.int64],
    first_failure: NDArray[np.intp],
    limits: Limits,
) -> Rejections:
    """The rejections of rows, by index, that fail a rule."""
    taken = [column.take(pa.array(rows)).to_pylist() for column in records.columns]
    time_us = columns.time_us[rows]
    is_time = columns.known_time & ~records.reading.failing("bad_event_time")
    storable = is_time[rows] & (time_us >= _YEAR_1_US) & (time_us < _YEAR_10000_US)
    found = zip(
        rows.tolist(),
        first_failure[rows].tolist(),
        time_us.tolist(),
        storable.tolist(),
        records.origin.payloads(rows.tolist()),
        zip(*taken, strict=True),
        strict=True,
    )
    sizes = records.origin.sizes()
    return Rejections.of(
        Rejection(
            "validate",
            ERROR_TYPES[failure],
            records.reading.message(
                ERROR_TYPES[failure],
                row,
                _left_out(records, row)
                if ERROR_TYPES[failure] == EXCLUDED
                else _message(
                    ERROR_TYPES[failure], _Source(*(text.strip() for text in texts)), limits
                ),
            ),
            payload[:MAX_RECORD_BYTES],
            records.origin.position(row),
            records.origin.attributes(row),
            int(sizes[row]),
            instant if keep else None,
            _readable(texts[1]),
            _readable(texts[2]),
        )
        for row, failure, instant, keep, payload, texts in found
    )


def _left_out(records: RawRecords, row: int) -> str:
    rule = "" if records.excluded is None else records.excluded.rule_of(row)
    return f"exclude.{rule} of the rules leaves it out"


def _readable(text: str) -> str | None:
    text = text.strip()
    return text if not fields.is_blank(text) and len(text) <= MAX_RECORD_BYTES // 4 else None


class _Source(NamedTuple):
    """The texts of a rejected row."""

    event_time: str
    user_id: str
    event_type: str
    transaction_category: str
    miles_amount: str
    platform: str
    utm_source: str
    country: str


def _message(error_type: str, row: _Source, limits: Limits) -> str:
    if error_type == "unknown_event_type":
        known = limits.event_types
        more = len(known) - _SHOWN_TYPES
        names = ", ".join(known[:_SHOWN_TYPES]) + (f" and {more} more" if more > 0 else "")
        return f"event_type {shown(row.event_type)} is none of {names}"
    if error_type == "event_time_out_of_range":
        # Clocks that have stopped, and seconds that are read as milliseconds, say 1970.
        is_old = "1980" <= row.event_time.strip()[:4] < str(limits.earliest)
        way = (
            "replay it by rules that take older events ([time] earliest)"
            if is_old
            else "replay it when its time has come"
        )
        return (
            f"event_time {shown(row.event_time)} lies before {limits.earliest}T00:00:00Z or more "
            f"than --max_future_minutes ahead: correct it, or {way}"
        )
    return _MESSAGES[error_type](row)


_MESSAGES: Final[dict[str, Callable[[_Source], str]]] = {
    "oversized_record": lambda row: OVERSIZED,
    "missing_user_id": lambda row: "user_id is blank",
    "bad_event_time": lambda row: (
        f"event_time {shown(row.event_time)} is no date and time like 2025-01-31T12:34:56Z"
        f"{time_hint(row.event_time)}"
        if row.event_time.strip()
        else "event_time is blank"
    ),
    "missing_miles_amount": lambda row: f"miles_amount is blank, but {row.event_type} needs one",
    "bad_miles_amount": lambda row: (
        f"miles_amount {shown(row.miles_amount)} is no whole number, 0 or more"
    ),
    "unknown_platform": lambda row: (
        f"platform {shown(row.platform)} is none of {', '.join(PLATFORMS)}"
    ),
    "bad_country": lambda row: f"country {shown(row.country)} is not two letters",
    "too_late": lambda row: (
        f"event_time {shown(row.event_time)} is longer ago than --late_horizon_days: let a batch "
        "run take it in"
    ),
    "too_many_miles": lambda row: (
        f"miles_amount {shown(row.miles_amount)} is more than {fields.MOST_MILES:,}: correct it, "
        "or split it over several events"
    ),
}
