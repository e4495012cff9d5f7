"""What a replay that has changed the tables reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.replay.attempt import Outcome
from pipeline.reports import BatchReport
from transforms.kernels.parse import EXCLUDED


@dataclass(frozen=True)
class ReplayReport:
    """What a replay has done.

    Attributes:
        outcome: what became of the dead letters.
        events_before: rows of fct_events before it.
        update: the run that put in what passed.
    """

    outcome: Outcome
    events_before: int
    update: BatchReport

    @property
    def before(self) -> dict[str, int]:
        """How many rows there were."""
        return {"events": self.events_before, "dead_letters": self.outcome.dead_letters}

    @property
    def after(self) -> dict[str, int]:
        """How many rows there are."""
        counts = self.update.counts
        return {
            "events": self.events_before + counts.events - counts.taken_back,
            "dead_letters": (
                self.outcome.dead_letters
                - self.outcome.left
                # Of stored events, and of those that passed, of users who are left out now.
                + counts.dead_letters.get(EXCLUDED, 0)
            ),
        }

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of it."""
        whole = {"before": self.before, "after": self.after}
        # Of dead letters the outcome says more: none comes in.
        return {**self.update.to_json(), **self.outcome.to_json(), **whole}
