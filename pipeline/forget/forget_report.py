"""What a run that forgets people reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.forget.holdings import Holdings


@dataclass(frozen=True)
class ForgetReport:
    """What was done about some users, or would be.

    Attributes:
        asked: how many ids were named.
        other_ids: how many more ids these people are known by.
        users: how many of them had events.
        events: how many events these had.
        dead_letters: how many dead letters were theirs.
        corrections: how many corrections of dead letters were theirs.
        samples: how many samples of checks named them.
        messages: how many messages of failed runs named them.
        listed: how many were not yet on the list of who was forgotten.
        pseudonymised: whether their events stay, under pseudonyms.
        seconds: how long it took.
        rewriting_seconds: how much of that it took to rewrite what the tables lie in; None where
            that was not done.
    """

    asked: int
    other_ids: int
    users: int
    events: int
    dead_letters: int
    corrections: int
    samples: int
    messages: int
    listed: int
    pseudonymised: bool
    seconds: float = 0.0
    rewriting_seconds: float | None = 0.0

    @classmethod
    def of(cls, held: Holdings, pseudonymised: bool) -> ForgetReport:
        """The report of a run that has found so much, without its times."""
        return cls(
            asked=held.named,
            other_ids=len(held.asked) - held.named,
            users=len(held.lives),
            events=held.events,
            dead_letters=held.dead_letters.num_rows,
            corrections=held.corrections.num_rows,
            samples=held.results.before.num_rows,
            messages=held.runs.before.num_rows,
            listed=len(held.unlisted),
            pseudonymised=pseudonymised,
        )

    def to_json(self) -> dict[str, Any]:
        """What `--summary_file` holds of it: no id."""
        return {
            "asked": self.asked,
            "other_ids": self.other_ids,
            "users": {"found": self.users, "unknown": self.asked - self.users},
            "events": self.events,
            "dead_letters": self.dead_letters,
            "corrections": self.corrections,
            "check_samples": self.samples,
            "run_messages": self.messages,
            "newly_listed": self.listed,
            "pseudonymised": self.pseudonymised,
            "seconds": round(self.seconds, 3),
            "rewriting_seconds": (
                None if self.rewriting_seconds is None else round(self.rewriting_seconds, 3)
            ),
        }
