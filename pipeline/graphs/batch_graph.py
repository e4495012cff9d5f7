"""The batch graph: CSV files to all tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

import apache_beam as beam
from apache_beam import pvalue
from apache_beam.io.filesystems import FileSystems

from pipeline import __version__
from pipeline.graphs.known_dead_letters import KnownDeadLetters
from pipeline.graphs.staged_corrections import StagedCorrections
from pipeline.inputs.input_versions import InputFile
from pipeline.inputs.read_csv import ReadCsv
from pipeline.progress import Progress
from pipeline.sinks import element_coders
from pipeline.sinks.commit_batch import Commit
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.stage_rows import StageRows
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from transforms.active_event_types import ActiveEventTypes
from transforms.check_rows import CHECKED, CheckRows
from transforms.contract import Table
from transforms.events import SOURCES, ByUserShard, ParseEvents
from transforms.kernels.counters import Counters
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.marts import dead_letter_events
from transforms.marts.registry import ALL_TABLES, CORRECTIONS, FINISH, TABLES, all_checks
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.quality.check_counts import CheckCounts
from transforms.quality.compile import Check
from transforms.quality.policy import Mode, Policy
from transforms.shards import CONTRIBUTIONS, EVENTS, NEGATIVE, TIMELINES, USERS, UserShards
from transforms.state import loaded_files
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import ACTIVE_EVENT_TYPES
from transforms.totals import SUMS, FinishMarts, Sum


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
        active_types: the event types that make a user active.
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
        known_dead_letters: those of its files that the warehouse has, for an update; None for none.
    """

    files: Sequence[InputFile]
    warehouse: Warehouse
    user_shards: int
    active_types: ActiveEventTypes
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

    @property
    def noted(self) -> Run:
        """The run as pipeline_runs has it."""
        settings = {**self.settings, ACTIVE_EVENT_TYPES: str(self.active_types)}
        return Run(self.run, self.command, __version__, self.started_at, settings)

    @property
    def report_path(self) -> str:
        """Where the run's report is written as JSON, for the launcher."""
        return str(FileSystems.join(self.staging, "report.json"))

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that the run evaluates."""
        return () if self.quality == "off" else all_checks(self.active_types)


def written(quality: str) -> tuple[Table, ...]:
    """The contracts of the tables that a run writes which takes its checks so."""
    marts = tuple(TABLES.values()) if quality == "off" else ALL_TABLES
    return (*marts, CORRECTIONS, *STATE_TABLES.values())


class ReadFiles(NamedTuple):
    """Input files on their way.

    Attributes:
        parsed: as `ParseEvents` gives it.
        files: InputFiles.
        sources: SourceCounts of them.
    """

    parsed: pvalue.DoOutputsTuple
    files: beam.PCollection
    sources: beam.PCollection


def build(pipeline: beam.Pipeline, job: BatchJob) -> None:
    """Lay the batch graph into a pipeline."""
    read = read_files(pipeline, job)
    build_tables(read.parsed, job, read.files, read.sources)


def read_files(pipeline: beam.Pipeline, job: BatchJob) -> ReadFiles:
    """Lay the steps that read and parse the input files of a run into a pipeline."""
    element_coders.register()
    files = pipeline | "Input files" >> beam.Create(list(job.files)).with_output_types(InputFile)
    parsed = (
        files
        | "ReadCsv" >> ReadCsv(job.range_bytes, job.progress)
        | "ParseEvents"
        >> ParseEvents(
            job.started_at, __version__, job.corrections, job.max_future_minutes, job.forgotten
        )
    )
    sources = parsed[SOURCES] | "SumSources" >> beam.CombinePerKey(_added)
    return ReadFiles(parsed, files, sources)


def _added(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    input_rows, dead_letters = zip(*counts, strict=True)
    return sum(input_rows), sum(dead_letters)


def _plan(replaces_files: bool) -> CommitPlan:
    """What becomes of the rows that tables have: those of events are replaced, others stay.

    Corrections stay as they are; their table is made, for whoever asks for them.
    """
    replaced = {*TABLES.values(), STATE_TABLES[TIMELINES], STATE_TABLES[SUMS]}
    if replaces_files:
        replaced.add(loaded_files.TABLE)
    return CommitPlan(
        {
            table: WriteDisposition.REPLACE if table in replaced else WriteDisposition.MERGE
            for table in (*TABLES.values(), CORRECTIONS, *STATE_TABLES.values())
        }
    )


def build_tables(parsed: pvalue.DoOutputsTuple, job: BatchJob, *loaded: beam.PCollection) -> None:
    """Lay all that follows from events into a pipeline, wherever they come from.

    Args:
        parsed: as `ParseEvents` gives it: `events`, and by tag DEAD_LETTERS and COUNTS.
        job: what the run does; its `files` are read already.
        loaded: InputFiles that must be as they were before anything is committed, and SourceCounts
            of them; without them loaded_files stays as it is.
    """
    shards = (
        parsed.events
        | "ByUserShard" >> ByUserShard(job.user_shards, shard_key(job.run))
        | "UserShards" >> UserShards(job.active_types.codes, job.started_at, job.checks)
    )
    marts = (
        shards[CONTRIBUTIONS]
        | "SumContributions" >> Sum(Counters)
        | "FinishMarts" >> FinishMarts(job.started_at, job.checks)
    )
    rows = {
        dead_letter_events.TABLE.name: parsed[DEAD_LETTERS],
        **{name: shards[name] for name in (EVENTS, USERS, NEGATIVE, TIMELINES)},
        **{name: marts[name] for name in (*FINISH, SUMS)},
    }
    layout = job.warehouse.capabilities.layout
    contracts = {**TABLES, **STATE_TABLES}
    staged = [
        table_rows | f"Stage {name}" >> StageRows(contracts[name], job.staging, layout)
        for name, table_rows in rows.items()
    ] | "All staged files" >> beam.Flatten()
    counts = (
        (parsed[COUNTS], shards[COUNTS])
        | "All counts" >> beam.Flatten()
        | "SumCounts" >> Sum(RunCounts)
    )
    dead_letters = parsed[DEAD_LETTERS] | "CheckLetters" >> CheckRows(
        dead_letter_events.TABLE.name, job.checks
    )
    checked = (
        (shards[CHECKED], marts[CHECKED], dead_letters)
        | "All checks" >> beam.Flatten()
        | "SumChecks" >> Sum(CheckCounts)
    )
    (staged, counts, checked, *loaded) | "Commit" >> Commit(
        job.warehouse,
        _plan(replaces_files=bool(loaded)),
        job.max_dead_letter_pct,
        [path for path in (job.report_path, job.summary_path) if path],
        job.noted,
        job.progress,
        job.staging,
        None if job.quality == "off" else Policy(job.checks, job.quality),
        job.beside,
        job.max_shrink_pct,
    )
