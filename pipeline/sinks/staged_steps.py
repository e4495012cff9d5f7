"""What a step of staging hands to the commit: its files, and which step of which lane it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.warehouse.changes import StagedFile


@dataclass(frozen=True)
class StagedStep:
    """The files of one step of one shard.

    The steps of a shard are committed in their order, which engines promise to nobody: a row that
    is renumbered may be staged one step behind the one in which it was new.

    Attributes:
        lane: the shard.
        number: which of its steps it was, from 1.
        files: what it has staged.
    """

    lane: str
    number: int
    files: Sequence[StagedFile]

    def to_bytes(self) -> bytes:
        """It as a job's state holds it."""
        return json.dumps([self.lane, self.number, self.files]).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> StagedStep:
        """The step that `to_bytes` wrote."""
        lane, number, files = json.loads(data)
        return cls(lane, number, [StagedFile(*file) for file in files])


def in_order(
    steps: Iterable[StagedStep], done: Mapping[str, int]
) -> tuple[list[StagedStep], list[StagedStep], dict[str, int]]:
    """Those steps that no step before is missing of; the others; and how many are done then.

    Args:
        steps: in any order.
        done: how many steps of each lane are done.
    """
    after, ready, waiting = dict(done), [], []
    for step in sorted(steps, key=lambda step: step.number):
        if step.number == after.get(step.lane, 0) + 1:
            after[step.lane] = step.number
            ready.append(step)
        else:
            waiting.append(step)
    return ready, waiting, after
