"""What a run counts: every input row is an event, a duplicate, a dead letter or forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from transforms.data_error import DataError

# What 0.2.0 called them before its release: state of a job may still have these.
_EARLIER_NAMES: Final = {"mended": "corrected", "mends_failed": "corrections_failed"}


@dataclass(frozen=True)
class Example:
    """One dead letter of an error_type, to show."""

    message: str
    payload: str
    source: str
    position: str

    @property
    def order(self) -> tuple[str, int, str]:
        """Examples are chosen by place, so that a run shows the same ones whatever its bundles."""
        return self.source, len(self.position), self.position


@dataclass(frozen=True)
class RunCounts:
    """Counts that add up over bundles.

    Attributes:
        input_rows: records read.
        events: records that are events, each counted once.
        duplicates: records that repeat an event.
        ignored_amounts: events with a miles_amount that their type has no use for.
        dead_letters: rejected records by error_type.
        examples: for each error_type the first dead letter by source and position.
        corrected: records that would be dead letters, but for the correction of an earlier replay.
        corrections_failed: dead letters with such a correction, which does not pass (any more).
        forgotten: records that were dropped, because their users were forgotten.
        known_dead_letters: dead letters that the table had already.
        excluded: records and stored events that rules have left out, by the key of the rule.
        taken_back: stored events that left the tables, because their users are left out now.
    """

    input_rows: int = 0
    events: int = 0
    duplicates: int = 0
    ignored_amounts: int = 0
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Example] = field(default_factory=dict)
    corrected: int = 0
    corrections_failed: int = 0
    forgotten: int = 0
    known_dead_letters: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    taken_back: int = 0

    @property
    def expected(self) -> int:
        """How many records, and events that were one before, something has become of."""
        return self.input_rows + self.taken_back

    @property
    def rejected(self) -> int:
        """How many records became dead letters."""
        return sum(self.dead_letters.values())

    @property
    def processed(self) -> int:
        """How many records are known to be events, duplicates, dead letters, forgotten or left
        out."""
        return self.events + self.duplicates + self.rejected + self.dropped

    @property
    def left_out(self) -> int:
        """How many records rules have left out."""
        return sum(self.excluded.values())

    @property
    def dropped(self) -> int:
        """How many records are in no table."""
        return self.forgotten + self.left_out

    @classmethod
    def total(cls, parts: Iterable[RunCounts]) -> RunCounts:
        """The sum of any number of counts."""
        parts = list(parts)
        dead_letters: Counter[str] = Counter()
        examples: dict[str, Example] = {}
        excluded: Counter[str] = Counter()
        for part in parts:
            excluded.update(part.excluded)
            dead_letters.update(part.dead_letters)
            for error_type, example in part.examples.items():
                known = examples.get(error_type, example)
                examples[error_type] = min(known, example, key=lambda found: found.order)
        return cls(
            input_rows=sum(part.input_rows for part in parts),
            events=sum(part.events for part in parts),
            duplicates=sum(part.duplicates for part in parts),
            ignored_amounts=sum(part.ignored_amounts for part in parts),
            dead_letters=dict(sorted(dead_letters.items())),
            examples=dict(sorted(examples.items())),
            corrected=sum(part.corrected for part in parts),
            corrections_failed=sum(part.corrections_failed for part in parts),
            forgotten=sum(part.forgotten for part in parts),
            known_dead_letters=sum(part.known_dead_letters for part in parts),
            excluded=dict(sorted(excluded.items())),
            taken_back=sum(part.taken_back for part in parts),
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads."""
        return {
            "input_rows": self.input_rows,
            "events": self.events,
            "duplicates": self.duplicates,
            "ignored_amounts": self.ignored_amounts,
            "dead_letters": dict(self.dead_letters),
            "examples": {name: vars(example) for name, example in self.examples.items()},
            "corrected": self.corrected,
            "corrections_failed": self.corrections_failed,
            "forgotten": self.forgotten,
            "known_dead_letters": self.known_dead_letters,
            **({"excluded": dict(self.excluded)} if self.excluded else {}),
            **({"taken_back": self.taken_back} if self.taken_back else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunCounts:
        """The counts that `to_json` wrote, here or in an earlier version.

        Raises:
            DataError: if a later version wrote them.
        """
        data = {_EARLIER_NAMES.get(name, name): count for name, count in data.items()}
        if unknown := set(data) - {count.name for count in fields(cls)}:
            raise DataError(
                f"the counts of a run hold {sorted(unknown)}, which this version of the pipeline "
                "does not know: a later version wrote them; use that version"
            )
        examples = {name: Example(**example) for name, example in data.get("examples", {}).items()}
        return cls(**{**data, "examples": examples})
