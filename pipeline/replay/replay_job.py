"""What a checked command line of replay asks for."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import OptionError
from pipeline.launch.runners import Runner
from pipeline.replay.attempt import Correct, Outcome, Step, attempt
from pipeline.replay.spool import Letters, spooled
from pipeline.replay.spreadsheet import Corrected
from pipeline.terminal import tell
from pipeline.warehouse import Warehouse
from transforms.kernels.dead_letters import KNOWN_ERROR_TYPES, Selection
from transforms.kernels.parse import Limits


@dataclass(frozen=True)
class ReplayPlan:
    """What a checked command line asks for.

    Attributes:
        options: the values of the options in `options.REPLAY`.
        arguments: the options of Beam among them.
        warehouse: whose dead letters are tried, and whose tables are rebuilt.
        active_types: the event types that make a user active in them.
        runner: what runs the graph.
        temp_location: where to stage; None for beside the warehouse.
        started_at: the run's moment, in UTC without a zone.
        selection: which dead letters are meant.
        correct: what to try in their place.
        corrected: the file that `correct` follows, if there is one.
    """

    options: argparse.Namespace
    arguments: Sequence[str]
    warehouse: Warehouse
    active_types: Sequence[str]
    runner: Runner
    temp_location: str | None
    started_at: datetime
    selection: Selection
    correct: Correct
    corrected: Corrected | None

    @contextmanager
    def letters(self) -> Iterator[Letters]:
        """The warehouse's dead letters.

        Raises:
            OptionError: if none has an error_type that is asked for and unknown.
            RunError: if they can't be read.
        """
        with spooled(self.warehouse) as found:
            _check_types(self.selection.error_types, found)
            if self.corrected is not None:
                told = self.corrected.without_letter(found)
                if told:
                    tell(told)
            yield found

    def attempt(self, letters: Letters, outcome: Outcome) -> Iterator[Step]:
        """Try the letters that are meant; see `attempt`."""
        limits = Limits(self.options.max_future_minutes)
        return attempt(letters, self.selection, self.correct, self.started_at, limits, outcome)


def _check_types(asked: Iterable[str], letters: Letters) -> None:
    there = {name for part in letters.parts() for name in part["error_type"].to_pylist()}
    for name in sorted(set(asked) - there - KNOWN_ERROR_TYPES):
        close = difflib.get_close_matches(name, there | KNOWN_ERROR_TYPES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise OptionError(
            f"--error_type {name}: no dead letter has it; there are "
            f"{', '.join(sorted(there)) or 'none at all'}{hint}"
        )
