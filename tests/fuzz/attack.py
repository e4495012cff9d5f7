"""What an attack is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# One case: from a source of chance and an empty folder to how many records, runs or kills were
# tried; it raises where the pipeline did other than it promises.
Case = Callable[[random.Random, Path], int]


@dataclass(frozen=True)
class Attack:
    """Endless cases of one kind.

    Attributes:
        name: how it is called on the command line.
        case: one of them.
        unit: what a case counts.
        length: how many of these a whole campaign tries at least.
    """

    name: str
    case: Case
    unit: str
    length: int

    def run(self, seed: int, folder: Path) -> int:
        """The case of a seed; returns how many units it tried.

        Raises:
            Exception: whatever went wrong.
        """
        return self.case(random.Random(f"{self.name} {seed}"), folder)
