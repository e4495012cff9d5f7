"""What a run over files does, whatever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipeline import __version__, storage
from pipeline.graphs.known_dead_letters import KnownDeadLetters
from pipeline.graphs.staged_corrections import StagedCorrections
from pipeline.inputs.input_versions import InputFile
from pipeline.progress import Progress
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change
from transforms.contract import Table
from transforms.figure_settings import FigureSettings
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.parse import Limits
from transforms.kernels.person_ids import Pairs, People
from transforms.kernels.rates import NO_RATES, Rates
from transforms.kernels.records import RawRecords
from transforms.marts.registry import ALL_TABLES, CORRECTIONS, TABLES, all_checks
from transforms.parse_step import ParsedPart, parse_part
from transforms.quality.compile import Check
from transforms.quality.policy import Mode
from transforms.rules.model import Rules
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import noted_figures


@dataclass(frozen=True)
class BatchJob:
    """What a batch run does.

    Attributes:
        files: the input files, as they were when they were listed.
        warehouse: where the tables are replaced.
        max_shrink_pct: how many percent of its events, users or dates the warehouse may lose;
            None for all.
        summary_path: where on gs:// it is written too, where no launcher waits for it.
        user_shards: in how many shards the users are processed.
        figures: the settings that decide what figures are.
        max_dead_letter_pct: above this share of rejected rows nothing is committed.
        run: the run's id.
        started_at: the run's moment, in UTC without a zone.
        staging: a folder for staged files that launcher and workers reach; "" until it is made.
        range_bytes: how large a range of a file one worker reads; None for whole files.
        progress: where local workers note how far they are.
        quality: enforce, warn or off.
        corrections: what earlier replays have corrected; None for nothing.
        beside: changes of other tables, which are committed with those of the run.
        max_future_minutes: event times may be so much later than `started_at`.
        forgotten: whose records are dropped and only counted; None for nobody's.
        command: what was run, for pipeline_runs.
        settings: what it was asked to do, for pipeline_runs: JSON values by the names of options.
        rules: how its files are read; None for CSV with the source columns.
        known_dead_letters: those of its files that the warehouse has, for an update; None for none.
        people: who is known by which ids; None for everybody by one.
        asked_people: the pairs that it is told, until they are staged; None for those that are
            noted.
    """

    files: Sequence[InputFile]
    warehouse: Warehouse
    user_shards: int
    figures: FigureSettings
    max_dead_letter_pct: float
    run: str
    started_at: datetime
    staging: str = ""
    range_bytes: int | None = None
    progress: Progress | None = None
    quality: Mode | Literal["off"] = "enforce"
    max_shrink_pct: float | None = None
    summary_path: str | None = None
    corrections: StagedCorrections | None = None
    beside: tuple[Change, ...] = ()
    max_future_minutes: int = 60
    forgotten: Forgotten | None = None
    command: str = "batch"
    settings: Mapping[str, Any] = field(default_factory=dict)
    known_dead_letters: KnownDeadLetters | None = None
    rules: Rules | None = None
    people: People | None = None
    asked_people: Pairs | None = None

    @property
    def identified(self) -> bool:
        """Whether its rules name an event_id."""
        return self.rules is not None and self.rules.identifies

    @property
    def rates(self) -> Rates:
        """How many events a user may have by its rules."""
        return NO_RATES if self.rules is None else self.rules.exclude.rates

    @property
    def noted(self) -> Run:
        """The run as pipeline_runs has it."""
        settings = {**self.settings, **noted_figures(self.figures)}
        return Run(self.run, self.command, __version__, self.started_at, settings)

    @property
    def report_path(self) -> str:
        """Where the run's report is written as JSON, for the launcher."""
        return storage.join(self.staging, "report.json")

    @property
    def report_paths(self) -> list[str]:
        """Wherever the run's report is written."""
        return [path for path in (self.report_path, self.summary_path) if path]

    def parsed(self, records: RawRecords) -> ParsedPart:
        """Events, dead letters and counts of records of its files."""
        limits = Limits.of(self.figures, self.max_future_minutes)
        return parse_part(
            records,
            self.started_at,
            limits,
            __version__,
            self.corrections,
            self.forgotten,
            self.people,
        )

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that the run evaluates."""
        return () if self.quality == "off" else all_checks(self.figures)


def written(quality: str) -> tuple[Table, ...]:
    """The contracts of the tables that a run writes which takes its checks so."""
    marts = tuple(TABLES.values()) if quality == "off" else ALL_TABLES
    return (*marts, CORRECTIONS, *STATE_TABLES.values())
