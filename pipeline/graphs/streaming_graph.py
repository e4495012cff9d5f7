"""The streaming graph: messages to all tables, in flushes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.gcp.pubsub import WriteToPubSub

from pipeline import __version__
from pipeline.graphs.staged_start import StagedStart
from pipeline.options.shared_options import LATE_HORIZON_DAYS
from pipeline.sinks import element_coders
from pipeline.sinks.checkpointed_commits import CommitCheckpointed
from pipeline.sinks.commit_flushes import CommitFlushes
from pipeline.sinks.commit_plan import CommitPlan
from pipeline.sinks.stage_flushes import FILES, StageFlushes
from pipeline.warehouse import Warehouse
from transforms.check_rows import CHECKED
from transforms.figure_settings import FigureSettings
from transforms.kernels.counters import Counters
from transforms.kernels.forgotten import Forgotten
from transforms.kernels.person_ids import People
from transforms.kernels.rates import NO_RATES, Rates
from transforms.kernels.run_counts import RunCounts
from transforms.kernels.user_shards import shard_key
from transforms.mart_changes import finish
from transforms.marts import dead_letter_events, dim_users, fct_events, users_with_negative_miles
from transforms.marts.registry import ALL_TABLES, all_checks
from transforms.parse_step import COUNTS, DEAD_LETTERS
from transforms.quality.compile import Check
from transforms.rules.model import Rules
from transforms.state import user_timelines
from transforms.state.pipeline_runs import Run
from transforms.state.registry import STATE_TABLES
from transforms.state.warehouse_settings import noted_figures
from transforms.streaming.clock import Clock, system_clock
from transforms.streaming.parse_messages import ParseMessages, as_messages
from transforms.streaming.sums import SumShards, ToShard, ToUserShard
from transforms.streaming.users import ROWS, Origin, UpdateUsers
from transforms.user_tables import CONTRIBUTIONS

# What a stream writes.
STREAMED: Final = (*ALL_TABLES, *STATE_TABLES.values())
# The tables of which each row is of one user.
USER_TABLES: Final = (
    fct_events.TABLE,
    dim_users.TABLE,
    users_with_negative_miles.TABLE,
    user_timelines.TABLE,
)
# Of a flush interval: a step of sums or of staging, and a commit, follow each other within two.
_STEP: Final = 0.5
# Longer than a job goes without a checkpoint that succeeds.
_KEPT_SECONDS: Final = 86_400


@dataclass(frozen=True)
class StreamJob:
    """What a streaming run does.

    Attributes:
        subscription: where messages come from, for the dead letters.
        warehouse: where the tables are kept true.
        run: the run's id.
        figures: the settings that decide what figures are.
        started_at: when the run began, in UTC without a zone.
        staging: a folder for staged files that all workers reach; "" until it is made.
        late_horizon_days: events from longer ago are dead letters.
        flush_seconds: an event is in all tables within two of these.
        dead_letter_topic: where dead letters are published too; None for nowhere.
        shards: over how many keys counters are summed, and each table's rows staged.
        clock: processing time.
        quality: warn evaluates at each flush the checks that it can answer, off none.
        max_future_minutes: event times may be so far ahead of the clock.
        forgotten: whose messages are dropped and only counted; None for nobody's.
        start: what the tables hold already; None for nothing.
        appends: whether new events are appended, not merged, which costs a tenth, flushes are
            committed as soon as they are sealed, and staged files go then. It takes a runner whose
            state is durable when a bundle ends: one whose state is durable at checkpoints goes back
            to one from before, and takes the same events for new again.
        merge_every: rows that are merged are staged every so many steps of staging; a flush has
            two of them.
        settings: what it was asked to do, for pipeline_runs: JSON values by the names of options.
        rules: how its messages are read; None for JSON with the source columns.
        people: who is known by which ids; None for everybody by one.
    """

    subscription: str
    warehouse: Warehouse
    run: str
    figures: FigureSettings
    started_at: datetime
    staging: str = ""
    late_horizon_days: int = LATE_HORIZON_DAYS
    flush_seconds: float = 60.0
    dead_letter_topic: str | None = None
    shards: int = 8
    clock: Clock = system_clock
    quality: Literal["warn", "off"] = "warn"
    max_future_minutes: int = 60
    forgotten: Forgotten | None = None
    start: StagedStart | None = None
    appends: bool = True
    merge_every: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    rules: Rules | None = None
    people: People | None = None

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
        return Run(self.run, "stream", __version__, self.started_at, settings)

    @property
    def kept_seconds(self) -> int:
        """How long staged files stay once they are committed."""
        return 0 if self.appends else _KEPT_SECONDS

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that the run evaluates."""
        return () if self.quality == "off" else all_checks(self.figures)


def build(messages: beam.PCollection, job: StreamJob) -> beam.PCollection:
    """Lay the streaming graph behind PubsubMessages; gives a report for each flush."""
    element_coders.register()
    step = job.flush_seconds * _STEP
    parsed = messages | "ParseMessages" >> ParseMessages(
        job.subscription,
        job.late_horizon_days,
        __version__,
        job.clock,
        job.max_future_minutes,
        job.forgotten,
        job.figures,
        job.rules,
        job.people,
    )
    users = parsed.by_user | "UpdateUsers" >> UpdateUsers(
        job.figures,
        job.late_horizon_days,
        job.clock,
        job.start.users if job.start else None,
        Origin(job.subscription, __version__) if job.identified else None,
    )
    dead_letters = parsed[DEAD_LETTERS]
    if job.identified:
        dead_letters = (dead_letters, users[DEAD_LETTERS]) | "All dead letters" >> beam.Flatten()
    sums = (
        users[CONTRIBUTIONS]
        | "Shard contributions" >> ToShard(Counters, job.shards)
        | "SumContributions" >> SumShards(Counters, step, job.clock)
    )
    letters = (
        dead_letters
        | "Name dead letters" >> beam.Map(_named_letters).with_output_types(tuple[str, pa.Table])
        | "Shard dead letters" >> ToShard(tuple[str, pa.Table], job.shards)
    )
    rows = users[ROWS] | "Shard users" >> ToUserShard(job.shards, shard_key(job.run))
    staged = [
        sharded
        | f"Stage {label}"
        >> StageFlushes(
            tables,
            job.staging,
            job.warehouse.capabilities.layout,
            step,
            job.clock,
            job.checks,
            job.appends,
            job.merge_every,
        )
        for label, sharded, tables in (
            ("users", rows, USER_TABLES),
            ("dead letters", letters, (dead_letter_events.TABLE,)),
        )
    ]
    steps = [outputs[FILES] for outputs in staged] | "All steps" >> beam.Flatten()
    checked = [outputs[CHECKED] for outputs in staged] | "All checks" >> beam.Flatten()
    if job.dead_letter_topic is not None:
        (
            dead_letters
            | "As messages" >> beam.FlatMap(as_messages)
            | "Publish dead letters" >> WriteToPubSub(job.dead_letter_topic, with_attributes=True)
        )
    counts = (
        (parsed[COUNTS], users[COUNTS])
        | "All counts" >> beam.Flatten()
        | "Shard counts" >> ToShard(RunCounts, job.shards)
        | "SumCounts" >> SumShards(RunCounts, step, job.clock)
    )
    commit = CommitFlushes if job.appends else CommitCheckpointed
    return (steps, sums, counts, checked) | "Commit" >> commit(
        job.warehouse,
        CommitPlan.adding(STREAMED),
        partial(finish, figures=job.figures),
        job.staging,
        job.noted,
        job.flush_seconds,
        job.clock,
        job.checks,
        job.start,
        job.kept_seconds,
    )


def _named_letters(rows: pa.Table) -> tuple[str, pa.Table]:
    return dead_letter_events.TABLE.name, rows
