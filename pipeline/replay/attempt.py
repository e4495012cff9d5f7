"""One attempt at dead letters: which pass, which stay, and what they look like then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline import __version__
from pipeline.replay.spool import DeadLetter, DeadLetters, chosen_rows, dead_letters_of
from transforms.kernels.dead_letters import (
    ByRules,
    Failure,
    Record,
    Reread,
    Selection,
    reread,
    tried,
)
from transforms.kernels.event_batch import placed
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.parse import Limits
from transforms.kernels.person_ids import People
from transforms.kernels.source_ids import CONFLICTING
from transforms.marts import dead_letter_corrections, dead_letter_events

_SAMPLES: Final = 2
_SAMPLE_BYTES: Final = 300

# The records to try in the dead letters' place, in their order; None leaves one as it is. It is
# given what gives the dead letters, each time in the same order.
Correct = Callable[[Callable[[], Iterable[DeadLetter]]], Iterator[Record | None]]


def as_they_came(dead_letters: Callable[[], Iterable[DeadLetter]]) -> Iterator[Record | None]:
    """Dead letters that nobody has corrected."""
    return (dead_letter.record for dead_letter in dead_letters())


class Sample(NamedTuple):
    """A dead letter before and after.

    Attributes:
        before, after: the beginning of its record.
        failure: why it is no event still; None where it is one.
    """

    before: str
    after: str
    failure: Failure | None


@dataclass
class Outcome:
    """What an attempt comes to.

    Attributes:
        dead_letters: how many there are.
        cut_short: of these, how many hold only the beginning of a record; they are never tried.
        passed: how many are events, by the error_type that they had.
        failed: how many are none still, by the error_type that they had and the new one.
        conflicting: how many of those that passed the parser have the id of another event, and are
            dead letters again. Of which error_type they were is not known.
        rewritten: how many of those that failed have another count of tries now.
        corrections: how many of those that passed were changed for it.
        samples: some dead letters by the error_type that they had.
    """

    dead_letters: int = 0
    cut_short: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    conflicting: int = 0
    rewritten: int = 0
    corrections: int = 0
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        """How many dead letters were tried."""
        return self.passed.total() + self.failed.total()

    @property
    def left(self) -> int:
        """How many are dead letters no more."""
        return self.passed.total() - self.conflicting

    def conflict(self, number: int) -> None:
        """Count of those that passed the parser some that have the id of another event."""
        if len(+self.passed) == 1 and number:
            error_type = next(iter(+self.passed))
            self.passed = +(self.passed - Counter({error_type: number}))
            self.failed[error_type, CONFLICTING] += number
        else:
            self.conflicting += number

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of it."""
        return {
            "dead_letters": self.dead_letters,
            "tried": self.tried,
            "cut_short": self.cut_short,
            "corrected": self.corrections,
            "passed": dict(sorted(self.passed.items())),
            "failed_again": [
                {"error_type": before, "now": now, "dead_letters": number}
                for (before, now), number in sorted(self.failed.items())
            ],
            **({"conflicting": self.conflicting} if self.conflicting else {}),
        }

    def note(self, dead_letter: DeadLetter, record: Record, failure: Failure | None) -> None:
        """Count a dead letter that was tried."""
        if failure is None:
            self.passed[dead_letter.error_type] += 1
        else:
            self.failed[dead_letter.error_type, failure.error_type] += 1
        samples = self.samples.setdefault(dead_letter.error_type, [])
        alike = sum((sample.failure is None) == (failure is None) for sample in samples)
        if alike < _SAMPLES:
            samples.append(Sample(_beginning(dead_letter.record), _beginning(record), failure))


def _beginning(record: Record) -> str:
    return record.data[:_SAMPLE_BYTES].decode(errors="backslashreplace")


class Step(NamedTuple):
    """A part of an attempt.

    Attributes:
        events: those that passed, with the schema EVENT_BATCH or IDENTIFIED_BATCH.
        records: of each the record that passed.
        texts: of each the texts of the eight source columns.
        leaving: of rows that leave dead_letter_events, or are there otherwise: the columns ROW.
        rewritten: what these are then.
        corrections: rows of dead_letter_corrections, of those that pass and were not so before.
    """

    events: pa.RecordBatch
    records: list[Record]
    texts: pa.Table
    leaving: pa.Table
    rewritten: pa.Table
    corrections: pa.Table


def attempt(
    dead_letters: DeadLetters,
    selection: Selection,
    correct: Correct,
    now: datetime,
    limits: Limits,
    outcome: Outcome,
    forgotten: Forgotten | None = None,
    by_rules: ByRules | None = None,
    people: People | None = None,
    excluded: pa.Table | None = None,
) -> Iterator[Step]:
    """Try dead letters again, part by part.

    Args:
        dead_letters: all of a warehouse.
        selection: which of them.
        correct: what to try in their place.
        now: in UTC without a zone.
        limits: which event times are taken.
        outcome: where it is counted.
        forgotten: whose records do not pass; None for nobody's.
        by_rules: reads records of files that are read by rules; None where there are none.
        people: who is known by which ids; None for everybody by one.
        excluded: who is left out, as `reread` takes it.

    Raises:
        RunError: if `correct` does.
        DataError: if nothing says how to read a dead letter.
    """
    outcome.dead_letters = dead_letters.rows
    corrected = correct(lambda: dead_letters.chosen(selection))
    for part in dead_letters.parts():
        outcome.cut_short += int(dead_letter_events.cut_short(part).sum())
        rows = chosen_rows(part, selection)
        found = [
            (row, dead_letter, record)
            for row, dead_letter in zip(rows.tolist(), dead_letters_of(part, rows), strict=True)
            if (record := next(corrected)) is not None
        ]
        records = [record for _, _, record in found]
        result = reread(records, now, limits, forgotten, by_rules, people, excluded)
        yield _try(part, found, result, now, outcome)
    # An edit that is not asked for its end would keep its files open.
    next(corrected, None)


def _try(
    part: pa.Table,
    found: list[tuple[int, DeadLetter, Record]],
    result: Reread,
    now: datetime,
    outcome: Outcome,
) -> Step:
    leaves, is_rewritten = np.zeros((2, part.num_rows), np.bool_)
    attributes = part["attributes"].to_pylist()
    sources = part["source"]
    for index, (row, dead_letter, record) in enumerate(found):
        failure = result.failures.get(index)
        outcome.note(dead_letter, record, failure)
        leaves[row] = failure is None
        if failure is not None:
            shown = {
                "dead_letter_id": dead_letter.dead_letter_id,
                "attributes": attributes[row],
                "source": sources[row].as_py(),
            }
            after = tried(shown, record, __version__)
            is_rewritten[row] = after != attributes[row]
            attributes[row] = after
    place = part.schema.get_field_index("attributes")
    now_so = part.set_column(place, part.schema.field(place), pa.array(attributes, pa.string()))
    outcome.rewritten += int(is_rewritten.sum())
    passed = [found[at] for at in range(len(found)) if at not in result.failures]
    # A dead letter that passes as it came will pass in the next batch run, too.
    changed = [record != dead_letter.record for _, dead_letter, record in passed]
    corrections = dead_letter_corrections.rows(
        part,
        [row for (row, _, _), is_changed in zip(passed, changed, strict=True) if is_changed],
        result.texts.filter(pa.array(changed, pa.bool_())),
        now,
    )
    outcome.corrections += corrections.num_rows
    records = [record for _, _, record in passed]
    return Step(
        placed(result.events, part.take(pa.array([row for row, _, _ in found], pa.int64()))),
        records,
        result.texts,
        part.filter(pa.array(leaves | is_rewritten)).select(dead_letter_events.ROW),
        now_so.filter(pa.array(is_rewritten)),
        corrections,
    )
