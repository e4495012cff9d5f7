"""What a replay does, and the dead letters that it is about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipeline.errors import OptionError
from pipeline.graphs.staged_forgotten import known_forgotten
from pipeline.graphs.staged_people import known_by_tables
from pipeline.launch.excluded_of_tables import read_excluded
from pipeline.replay.attempt import Correct, Outcome, Step, attempt
from pipeline.replay.spool import DeadLetters, spooled
from pipeline.replay.spreadsheet import Corrected
from pipeline.terminal import print_error
from pipeline.warehouse import Warehouse
from transforms.figure_settings import FigureSettings
from transforms.kernels.dead_letters import KNOWN_ERROR_TYPES, Selection
from transforms.kernels.parse import Limits
from transforms.quality.policy import Mode
from transforms.rules.model import Rules
from transforms.rules.read_again import ReadAgain


@dataclass(frozen=True)
class ReplayJob:
    """What a replay does.

    Attributes:
        warehouse: whose dead letters are tried, and whose tables are rebuilt.
        started_at: the run's moment, in UTC without a zone.
        selection: which dead letters are meant.
        correct: what to try in their place.
        corrected: the file that `correct` follows, if there is one.
        figures: the settings by which the tables were built.
        max_future_minutes: event times may be so much later than `started_at`.
        user_shards: in how many shards the users are processed; None to go by their events.
        quality: enforce, warn or off.
        settings: what the replay was asked to do, for pipeline_runs.
        rules: by which records of files are read; None for as they came.
    """

    warehouse: Warehouse
    started_at: datetime
    selection: Selection
    correct: Correct
    corrected: Corrected | None = None
    figures: FigureSettings = FigureSettings()
    max_future_minutes: int = 60
    user_shards: int | None = None
    quality: Mode | Literal["off"] = "enforce"
    settings: Mapping[str, Any] = field(default_factory=dict)
    rules: Rules | None = None

    @contextmanager
    def dead_letters(self) -> Iterator[DeadLetters]:
        """The warehouse's dead letters.

        Raises:
            OptionError: if none has an error_type that is asked for and unknown.
            RunError: if they can't be read.
        """
        with spooled(self.warehouse) as found:
            _check_types(self.selection.error_types, found)
            if self.corrected is not None:
                warning = self.corrected.without_dead_letter(found)
                if warning:
                    print_error(warning)
            yield found

    def attempt(self, dead_letters: DeadLetters, outcome: Outcome) -> Iterator[Step]:
        """Try the selected dead letters; see `attempt`."""
        limits = Limits.of(self.figures, self.max_future_minutes)
        with self.warehouse.kept_open():
            forgotten, people = known_forgotten(self.warehouse), known_by_tables(self.warehouse)
            excluded = read_excluded(self.warehouse)
        return attempt(
            dead_letters,
            self.selection,
            self.correct,
            self.started_at,
            limits,
            outcome,
            forgotten,
            None if self.rules is None else ReadAgain(self.rules),
            people,
            excluded,
        )


def _check_types(asked: Iterable[str], dead_letters: DeadLetters) -> None:
    there = {name for part in dead_letters.parts() for name in part["error_type"].to_pylist()}
    for name in sorted(set(asked) - there - KNOWN_ERROR_TYPES):
        close = difflib.get_close_matches(name, there | KNOWN_ERROR_TYPES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise OptionError(
            f"--error_type {name}: no dead letter has it; there are "
            f"{', '.join(sorted(there)) or 'none at all'}{hint}"
        )
