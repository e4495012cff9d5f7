"""What runs report: the files of --summary_file, and what a stream says of its flushes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from transforms.kernels.run_counts import Example, RunCounts
from transforms.quality.policy import Mode
from transforms.quality.reported import Reported


@dataclass(frozen=True)
class QualityReport:
    """What a run's checks came to.

    Attributes:
        mode: whether a failed check stops the commit.
        results: of each check.
    """

    mode: Mode
    results: tuple[Reported, ...]

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads."""
        failed = [result.severity for result in self.results if result.failed]
        return {
            "mode": self.mode,
            "passed": len(self.results) - len(failed),
            "failed": {"error": failed.count("error"), "warn": failed.count("warn")},
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The report that `to_json` wrote."""
        return cls(data["mode"], tuple(Reported.from_json(data["results"])))


@dataclass(frozen=True)
class BatchReport:
    """What a run that replaces all tables has done.

    Attributes:
        counts: what became of the rows that it read.
        tables: the rows of each table, by its name.
        seconds: how long it took.
        quality: what its checks came to; None where it evaluates none.
    """

    counts: RunCounts
    tables: Mapping[str, int]
    seconds: float
    quality: QualityReport | None = None

    @property
    def results(self) -> Sequence[Reported]:
        """Of the checks that were evaluated."""
        return self.quality.results if self.quality else ()

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of a batch; `from_json` reads it."""
        counts = self.counts
        return {
            "input_rows": counts.input_rows,
            "events": counts.events,
            "duplicates": counts.duplicates,
            "dead_letters": {
                "total": counts.rejected,
                "by_error_type": dict(counts.dead_letters),
                **({"known": counts.known_dead_letters} if counts.known_dead_letters else {}),
            },
            "dead_letter_examples": {name: vars(found) for name, found in counts.examples.items()},
            "forgotten": counts.forgotten,
            "excluded": {
                "total": counts.left_out,
                "by_rule": dict(counts.excluded),
                **({"taken_back": counts.taken_back} if counts.taken_back else {}),
            },
            "ignored_miles_amounts": counts.ignored_amounts,
            "earlier_corrections": {
                "applied": counts.corrected,
                "failed": counts.corrections_failed,
            },
            "tables": dict(self.tables),
            "seconds": round(self.seconds, 3),
            **({"quality": self.quality.to_json()} if self.quality else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The report that `to_json` wrote."""
        examples = data["dead_letter_examples"].items()
        counts = RunCounts(
            input_rows=data["input_rows"],
            events=data["events"],
            duplicates=data["duplicates"],
            ignored_amounts=data["ignored_miles_amounts"],
            dead_letters=data["dead_letters"]["by_error_type"],
            examples={name: Example(**example) for name, example in examples},
            corrected=data["earlier_corrections"]["applied"],
            corrections_failed=data["earlier_corrections"]["failed"],
            forgotten=data["forgotten"],
            known_dead_letters=data["dead_letters"].get("known", 0),
            excluded=data["excluded"]["by_rule"],
            taken_back=data["excluded"].get("taken_back", 0),
        )
        quality = QualityReport.from_json(data["quality"]) if "quality" in data else None
        return cls(counts, data["tables"], data["seconds"], quality)


@dataclass(frozen=True)
class MovedReport:
    """How people were moved to the ids by which they are known.

    Attributes:
        pairs: how many anonymous ids are new.
        people: how many of them had events.
        counts: what became of these.
        seconds: how long it took.
    """

    pairs: int
    people: int
    counts: RunCounts
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of it."""
        counts = self.counts
        return {
            "new_ids": self.pairs,
            "moved_ids": self.people,
            "moved_events": counts.input_rows,
            "events": counts.events,
            "duplicates": counts.duplicates,
            "forgotten": counts.forgotten,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class UpdateReport(BatchReport):
    """What an update has done; `tables` are the rows that it wrote, by the name of the table.

    Attributes:
        new_files: how many files it loaded.
        known_files: how many others were named, which had been loaded before.
        moved: who was moved before that; None where nobody is new.
    """

    new_files: int = 0
    known_files: int = 0
    moved: MovedReport | None = None

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of an update."""
        files = {"new": self.new_files, "loaded_before": self.known_files}
        moved = {"people": self.moved.to_json()} if self.moved else {}
        return {**super().to_json(), "files": files, **moved}


@dataclass(frozen=True)
class FlushReport:
    """What a stream has done up to and with a flush.

    Attributes:
        flush: its number; 0 before the first one.
        counts: what became of all messages so far.
        rows: the rows of this flush, by table.
        events: rows of fct_events.
        dead_letters: rows of dead_letter_events.
        in_marts: the events in the marts.
        pending: messages that are read, neither duplicates nor of forgotten users, and not in the
            tables yet; less than 0 where rows have come before their counts.
        evaluated: how many checks the flush has answered.
        failed: what those came to that failed.
    """

    flush: int = 0
    counts: RunCounts = field(default_factory=RunCounts)
    rows: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    dead_letters: int = 0
    in_marts: int = 0
    pending: int = 0
    evaluated: int = 0
    failed: tuple[Reported, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "flush": self.flush,
            "counts": self.counts.to_json(),
            "rows": dict(self.rows),
            "events": self.events,
            "dead_letters": self.dead_letters,
            "in_marts": self.in_marts,
            "pending": self.pending,
            "checks": {
                "evaluated": self.evaluated,
                "failed": [result.to_json() for result in self.failed],
            },
        }
