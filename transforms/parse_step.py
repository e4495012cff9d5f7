"""The parse step of batch and stream: raw records -> events, dead letters and counts."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.kernels.corrections import Corrections, apply_corrections
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.kernels.person_ids import People
from transforms.kernels.records import NO_REJECTIONS, RawRecords
from transforms.kernels.run_counts import Example, RunCounts
from transforms.kernels.source_ids import as_letters
from transforms.marts import dead_letter_events

DEAD_LETTERS: Final = "dead_letters"
COUNTS: Final = "counts"

_SHOWN: Final = [
    "error_type",
    "error_message",
    "payload",
    "payload_encoding",
    "source",
    "position",
]


class ParsedPart(NamedTuple):
    """What became of some raw records.

    Attributes:
        parsed: the events; no rejections.
        dead_letters: rows of dead_letter_events.
        counts: of input rows, ignored amounts, dead letters, corrections and forgotten rows.
    """

    parsed: list[Parsed]
    dead_letters: pa.Table
    counts: RunCounts


def parse_part(
    records: RawRecords,
    now: datetime,
    limits: Limits,
    version: str,
    corrections: Corrections | None = None,
    forgotten: Forgotten | None = None,
    people: People | None = None,
) -> ParsedPart:
    """Events, dead letters and counts of raw records.

    Args:
        records: of one source.
        now: in UTC without a zone; dead letters carry it as failed_at.
        limits: which event times are taken.
        version: the pipeline's; dead letters carry it.
        corrections: what earlier replays have corrected: a record that would be a dead letter is
            read as its correction says, if that passes. None for nothing.
        forgotten: whose records are dropped and only counted; None for nobody's.
        people: who is known by which ids; None for everybody by one.
    """
    found = parse_records(records, now, limits, forgotten, people)
    dead_letters = dead_letter_events.rows(found.rejections, records.source, now, version)
    parsed = [replace(found, rejections=NO_REJECTIONS)]
    corrected = RunCounts()
    if records.event_ids is not None and corrections is not None:
        parsed, number = _without_conflicts(
            parsed[0], records.source, corrections, (now, limits, version, forgotten, people)
        )
        corrected = RunCounts(corrected=number)
    if dead_letters.num_rows and corrections is not None:
        # Beside the parser, because a Flatten of its own would send all events through coders.
        known = corrections.find(dead_letters["dead_letter_id"])
        applied = apply_corrections(
            dead_letters, known, now, limits, forgotten, people, records.event_ids is not None
        )
        parsed, dead_letters = [*parsed, applied.parsed], applied.dead_letters
        more = RunCounts(corrected=applied.corrected, corrections_failed=applied.failed)
        corrected = RunCounts.total([corrected, more])
    counts = RunCounts(
        input_rows=len(records),
        ignored_amounts=sum(part.ignored_amounts for part in parsed),
        forgotten=sum(part.forgotten for part in parsed),
        excluded=found.excluded,
    )
    total = RunCounts.total([counts, corrected, count_dead_letters(dead_letters)])
    return ParsedPart(parsed, dead_letters, total)


def _without_conflicts(
    found: Parsed,
    source: str,
    corrections: Corrections,
    how: tuple[datetime, Limits, str, Forgotten | None, People | None],
) -> tuple[list[Parsed], int]:
    """Events, of which those that earlier replays have corrected are as these say: they had the ids
    of others. And how many these are."""
    now, limits, version, forgotten, people = how
    places = corrections.conflicting(source)
    if not len(places):
        return [found], 0
    events = found.events
    rows = np.flatnonzero(pc.is_in(events["position"], value_set=places))
    rejected = as_letters(events.take(pa.array(rows)), limits.event_types)
    letters = dead_letter_events.rows(rejected, source, now, version)
    known = corrections.find(letters["dead_letter_id"])
    applied = apply_corrections(letters, known, now, limits, forgotten, people, identified=True)
    stays = np.ones(len(events), np.bool_)
    still = pc.is_in(
        letters["dead_letter_id"], value_set=applied.dead_letters["dead_letter_id"].combine_chunks()
    )
    stays[rows[~still.to_numpy()]] = False
    return [
        replace(found, events=events.filter(pa.array(stays))),
        applied.parsed,
    ], applied.corrected


def count_dead_letters(dead_letters: pa.Table) -> RunCounts:
    """The counts of some rows of dead_letter_events, with an example of each error_type."""
    shown = dead_letters.select(_SHOWN)
    totals = pc.value_counts(shown["error_type"]).to_pylist()
    return RunCounts(
        dead_letters={found["values"]: found["counts"] for found in totals},
        examples={found["values"]: _first(shown, found["values"]) for found in totals},
    )


def _first(shown: pa.Table, error_type: str) -> Example:
    """The dead letter of a type whose position is the shortest, and of these the least."""
    rows = np.flatnonzero(pc.equal(shown["error_type"], error_type))
    lengths = pc.binary_length(shown["position"]).to_numpy()[rows]
    rows = rows[lengths == lengths.min()]
    positions = shown["position"].take(pa.array(rows))
    return _example(shown, int(rows[pc.index(positions, pc.min(positions)).as_py()]))


def _example(shown: pa.Table, row: int) -> Example:
    _, message, payload, encoding, source, position = (
        column[row].as_py() for column in shown.columns
    )
    if encoding == "base64":
        payload = base64.b64decode(payload).decode(errors="replace")
    return Example(message[:300], payload[:300], source, position)
