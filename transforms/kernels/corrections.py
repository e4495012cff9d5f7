"""Dead letters that people have corrected before -> the events that their corrections are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.event_batch import placed
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.parse import Limits, Parsed, parse_records
from transforms.kernels.person_ids import People
from transforms.kernels.records import NO_REJECTIONS, RawRecords
from transforms.vocabulary import EVENT_ID, SOURCE_COLUMNS


class Corrections(Protocol):
    """What earlier replays have corrected."""

    def find(self, ids: pa.ChunkedArray) -> pa.Table:
        """Corrections of some dead letters: dead_letter_id, the eight source columns and event_id
        as text.

        Args:
            ids: strings, the dead letters' dead_letter_id; most have no correction.
        """

    def conflicting(self, source: str) -> pa.Array:
        """The positions of corrected dead letters of a source that had other events' ids: strings.

        Nothing is wrong with these records alone, so the parser does not find them.
        """


@dataclass(frozen=True)
class Applied:
    """What corrections make of dead letters.

    Attributes:
        parsed: the events of the corrections that pass; no rejections.
        dead_letters: those that stay, as they came.
        failed: how many of them have a correction that does not pass (any more).
    """

    parsed: Parsed
    dead_letters: pa.Table
    failed: int

    @property
    def corrected(self) -> int:
        """How many dead letters are events now."""
        return len(self.parsed.events)


def apply_corrections(
    dead_letters: pa.Table,
    corrections: pa.Table,
    now: datetime,
    limits: Limits,
    forgotten: Forgotten | None = None,
    people: People | None = None,
    identified: bool = False,
) -> Applied:
    """Read corrections by the parser of all records, in their dead letters' place.

    Args:
        dead_letters: rows of dead_letter_events, each id once.
        corrections: of some of them, each once, as `Corrections.find` gives them.
        now, limits, forgotten, people: as in `parse_records`.
        identified: whether the source says ids of events.
    """
    columns = [corrections[name].combine_chunks() for name in SOURCE_COLUMNS]
    ids = corrections[EVENT_ID].combine_chunks() if identified else None
    records = RawRecords(columns, _Texts(columns), "corrections", event_ids=ids)
    parsed = parse_records(records, now, limits, forgotten, people)
    places = pc.index_in(
        corrections["dead_letter_id"], dead_letters["dead_letter_id"].combine_chunks()
    )
    events = placed(parsed.events, dead_letters.take(places))
    fails = np.zeros(corrections.num_rows, np.bool_)
    fails[[int(rejection.position) for rejection in parsed.rejections]] = True
    passed = corrections["dead_letter_id"].filter(pa.array(~fails)).combine_chunks()
    stays = pc.invert(pc.is_in(dead_letters["dead_letter_id"], value_set=passed))
    return Applied(
        replace(parsed, events=events, rejections=NO_REJECTIONS),
        dead_letters.filter(stays),
        int(fails.sum()),
    )


@dataclass(frozen=True)
class _Texts:
    """Rows that are texts of the source columns: their `Origin`; a position is the row."""

    columns: list[pa.Array]

    def sizes(self) -> NDArray[np.int64]:
        lengths = [pc.binary_length(column).to_numpy() for column in self.columns]
        sizes: NDArray[np.int64] = np.sum(lengths, axis=0, dtype=np.int64)
        return sizes

    def payloads(self, rows: Sequence[int]) -> list[bytes]:
        return [b""] * len(rows)

    def position(self, row: int) -> str:
        return str(row)

    def attributes(self, row: int) -> str | None:
        return None
