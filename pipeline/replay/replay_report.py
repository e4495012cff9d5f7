"""What a replay that has replaced the tables reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.replay.attempt import Outcome
from pipeline.reports import BatchReport


@dataclass(frozen=True)
class ReplayReport:
    """What a replay has done.

    Attributes:
        outcome: what became of the dead letters.
        events_before: rows of fct_events before it.
        batch: the run that has replaced the tables.
    """

    outcome: Outcome
    events_before: int
    batch: BatchReport

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of it."""
        before = {"events": self.events_before, "dead_letters": self.outcome.dead_letters}
        return {**self.outcome.to_json(), "before": before, **self.batch.to_json()}
