"""Dead letters read again: by the parser that has rejected them, corrected or as they came."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.data_error import DataError
from transforms.kernels.csv_layout import HEADER_ATTRIBUTE, Layout
from transforms.kernels.csv_sources import FORMAT_ATTRIBUTE
from transforms.kernels.event_batch import alike, has_identity, with_identity
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.messages import layout_of
from transforms.kernels.parse import (
    ERROR_TYPES,
    EXCLUDED,
    Limits,
    among_forgotten,
    parse_records,
)
from transforms.kernels.person_ids import People, other_ids, under
from transforms.kernels.rates import left_out_by, rules_of
from transforms.kernels.records import RawRecords
from transforms.kernels.single_records import read_records
from transforms.kernels.source_ids import CONFLICTING
from transforms.kernels.source_records import PayloadFormat
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS

# In a dead letter's attributes: how many different records were tried in its place, and the last
# one's digest. A message's own attributes are strings; the first of these is a number.
TRIES: Final = "replay_tries"
TRIED: Final = "replay_tried"

KNOWN_ERROR_TYPES: Final = frozenset(
    {*ERROR_TYPES, CONFLICTING, "malformed_message", "malformed_row", "invalid_utf8"}
)

_SUBSCRIPTION: Final = re.compile(r"projects/[^/]+/subscriptions/[^/]+")


class Record(NamedTuple):
    """A record and how to read it.

    Attributes:
        data: its bytes.
        layout: of a CSV record; of one of a file that is read by rules its format; None for a JSON
            object.
    """

    data: bytes
    layout: Layout | PayloadFormat | None


# Reads payloads of one format by the rules of the warehouse; their positions are their indices.
ByRules = Callable[[Sequence[bytes], PayloadFormat], RawRecords]


@dataclass(frozen=True)
class Selection:
    """Which dead letters are tried.

    Attributes:
        error_types: with one of these; empty for any.
        since: rejected at this moment or later, in UTC without a zone; None for any.
    """

    error_types: frozenset[str] = frozenset()
    since: datetime | None = None

    def of(self, dead_letters: pa.Table) -> NDArray[np.bool_]:
        """Which rows of dead_letter_events are meant: bool [rows]."""
        chosen = np.ones(dead_letters.num_rows, np.bool_)
        if self.error_types:
            wanted = pa.array(sorted(self.error_types), pa.string())
            chosen &= _mask(pc.is_in(dead_letters["error_type"], wanted))
        if self.since is not None:
            since = pa.scalar(self.since, pa.timestamp("us"))
            chosen &= _mask(pc.greater_equal(dead_letters["failed_at"], since))
        return chosen


def _mask(found: pa.ChunkedArray) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return mask


def how_to_read(dead_letter: Mapping[str, Any]) -> Layout | PayloadFormat | None:
    """The layout by which a dead letter's payload is read as CSV, or the format of one of a file
    that is read by rules; None for a JSON object.

    Args:
        dead_letter: dead_letter_id, attributes and source of a row of dead_letter_events.

    Raises:
        DataError: if its attributes are not what the pipeline writes.
    """
    attributes = _loaded(dead_letter)
    if _SUBSCRIPTION.fullmatch(dead_letter["source"]):
        # A message's own attributes are texts.
        texts = {name: text for name, text in attributes.items() if isinstance(text, str)}
        if HEADER_ATTRIBUTE in attributes.keys() - texts.keys():
            return _layout_in(attributes, dead_letter)
        if FORMAT_ATTRIBUTE in texts.keys() ^ attributes.keys():
            return PayloadFormat.from_attributes(attributes)
        return layout_of(texts)
    try:
        return PayloadFormat.from_attributes(attributes) or Layout.from_attributes(attributes)
    except (TypeError, ValueError) as error:
        raise _strange(dead_letter) from error


def _layout_in(attributes: Mapping[str, Any], dead_letter: Mapping[str, Any]) -> Layout:
    """Of a message that was read, and found to contradict another one."""
    try:
        return Layout.from_attributes(attributes)
    except (TypeError, ValueError) as error:
        raise _strange(dead_letter) from error


def _loaded(dead_letter: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(dead_letter["attributes"] or "{}")
    except ValueError as error:
        raise _strange(dead_letter) from error
    if not isinstance(found, dict):
        raise _strange(dead_letter)
    return found


def _strange(dead_letter: Mapping[str, Any]) -> DataError:
    name, attributes = dead_letter["dead_letter_id"], dead_letter["attributes"]
    return DataError(
        f"dead letter {name}: its attributes {attributes!r:.200} are not what this "
        "pipeline writes, so that its record can't be read; correct that row"
    )


class Failure(NamedTuple):
    """Why a record is no event: a dead letter's code and message."""

    error_type: str
    message: str


_FORGOTTEN: Final = Failure("user_forgotten", "its user was forgotten, and stays so")


@dataclass(frozen=True)
class Reread:
    """What became of records.

    Attributes:
        events: the events, in the records' order, with the schema EVENT_BATCH, or IDENTIFIED_BATCH
            where one has a place for an id of its source: then `position` is its record's index.
        texts: of each the texts of the eight source columns, and of event_id, blank for none.
        failures: by the index of each other record why it is none.
    """

    events: pa.RecordBatch
    texts: pa.Table
    failures: Mapping[int, Failure]


@dataclass(frozen=True)
class _RereadPart(Reread):
    """What became of records of one form.

    Attributes:
        indices: int64 [events], of the records that passed.
    """

    indices: NDArray[np.int64]


class _Numbered(NamedTuple):
    """A record whose position is its index; a `SingleRecord`."""

    data: bytes
    layout: Layout | None
    position: str
    attributes_json: None = None


def reread(
    records: Sequence[Record],
    now: datetime,
    limits: Limits,
    forgotten: Forgotten | None = None,
    by_rules: ByRules | None = None,
    people: People | None = None,
    excluded: pa.Table | None = None,
) -> Reread:
    """Read records by the parser of batch and streaming.

    Args:
        records: in any order.
        now: in UTC without a zone.
        limits: which event times are taken.
        forgotten: whose records do not pass; None for nobody's.
        by_rules: reads those of files that are read by rules; None where there are none.
        people: who is known by which ids; None for everybody by one.
        excluded: who is left out, whose records do not pass: the columns user_id and rule. None
            for nobody.

    Raises:
        DataError: if there are some nevertheless.
    """
    parts = [
        _reread(raw, numbers, now, limits, forgotten, people, excluded)
        for raw, numbers in _raw(records, by_rules)
    ]
    if len(parts) == 1:
        return parts[0]
    failures = {index: why for part in parts for index, why in part.failures.items()}
    order = pa.array(np.argsort(np.concatenate([part.indices for part in parts])))
    events = pa.Table.from_batches(alike([part.events for part in parts])).unify_dictionaries()
    batches = events.combine_chunks().to_batches()
    whole = batches[0] if batches else alike([part.events for part in parts])[0]
    texts = pa.concat_tables([part.texts for part in parts])
    return Reread(whole.take(order), texts.take(order), failures)


def _raw(
    records: Sequence[Record], by_rules: ByRules | None
) -> Iterator[tuple[RawRecords, list[int]]]:
    """The raw records of each format, whose positions are places in the list beside them, which has
    their indices."""
    formats: dict[PayloadFormat | None, list[int]] = defaultdict(list)
    for index, (_, layout) in enumerate(records):
        formats[layout if isinstance(layout, PayloadFormat) else None].append(index)
    for form, numbers in formats.items() or [(None, [])]:
        chosen = [records[index] for index in numbers]
        if form is None:
            plain = [_numbered(record, place) for place, record in enumerate(chosen)]
            yield read_records(plain, ""), numbers
        elif by_rules is None:
            raise DataError(
                "a dead letter comes of a file that was read by rules, and the warehouse notes "
                "none: run batch over all files with --rules"
            )
        else:
            yield by_rules([record.data for record in chosen], form), numbers


def _numbered(record: Record, place: int) -> _Numbered:
    layout = None if isinstance(record.layout, PayloadFormat) else record.layout
    return _Numbered(record.data, layout, str(place))


def _reread(
    raw: RawRecords,
    numbers: Sequence[int],
    now: datetime,
    limits: Limits,
    forgotten: Forgotten | None,
    people: People | None,
    excluded: pa.Table | None,
) -> _RereadPart:
    parsed = parse_records(raw.telling_excluded(), now, limits)
    failures = {
        numbers[int(rejection.position)]: Failure(rejection.error_type, rejection.message)
        for rejection in parsed.rejections
    }
    indices = [numbers[int(raw.origin.position(row))] for row in range(raw.rows)]
    passing = np.array([index for index in indices if index not in failures], np.int64)
    events = parsed.events
    if has_identity(events.schema):
        places = pa.array([str(index) for index in passing.tolist()], pa.string())
        events = with_identity(events, {"position": places})
    came_as = known = events["user_id"]
    if people is not None:
        known = people.known(came_as)
        events = under(events, known)
        if has_identity(events.schema):
            events = with_identity(events, {"came_as": other_ids(came_as, known)})
    if forgotten is not None:
        theirs = among_forgotten(came_as, known, forgotten)
        failures.update(dict.fromkeys(passing[theirs].tolist(), _FORGOTTEN))
        events = events.filter(pa.array(~theirs))
        passing = passing[~theirs]
    if excluded is not None:
        rules = rules_of(events["user_id"], excluded)
        for index, rule in zip(passing.tolist(), rules.to_pylist(), strict=True):
            if rule is not None:
                failures[index] = Failure(EXCLUDED, left_out_by(rule))
        stays = rules.is_null()
        events, passing = events.filter(stays), passing[stays.to_numpy(zero_copy_only=False)]
    passes = pa.array([index not in failures for index in indices], pa.bool_())
    columns = [column.cast(pa.string()) for column in raw.columns]
    ids = pa.array([""] * raw.rows, pa.string()) if raw.event_ids is None else raw.event_ids
    named = pa.Table.from_arrays([*columns, ids], names=(*SOURCE_COLUMNS, EVENT_ID))
    passed = named.filter(passes)
    return _RereadPart(events, passed, failures, passing)


def tried(dead_letter: Mapping[str, Any], record: Record, version: str) -> str | None:
    """The attributes of a dead letter whose record was tried in vain.

    A try counts once: of the record that was tried last the same version of the parser would say
    the same again, so a replay that is repeated changes nothing.

    Args:
        dead_letter: as in `how_to_read`.
        record: what was tried in its place.
        version: of the pipeline.
    """
    attributes = _loaded(dead_letter)
    digest = hashlib.blake2b(digest_size=8)
    for part in (version.encode(), repr(record.layout).encode(), record.data):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    tries = attributes.get(TRIES, 0)
    # A message may have a string of its own by that name, which stays.
    if isinstance(tries, str) or attributes.get(TRIED) == digest.hexdigest():
        text: str | None = dead_letter["attributes"]
        return text
    attributes.update({TRIES: tries + 1, TRIED: digest.hexdigest()})
    return json.dumps(attributes, ensure_ascii=False, sort_keys=True)
