"""The stream command: Pub/Sub messages to all tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from pipeline.alerts.bounds import Alerts
from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.launch.process import keep_to_owner
from pipeline.moments import utc_now
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksFigures, AsksRules
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import Option, Parameter, given_by, recorded
from pipeline.options.option_values import SWITCH, number, one_of, resource, whole
from pipeline.terminal import print_error
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.reckoning import WeekStart

if TYPE_CHECKING:
    from pipeline.graphs.streaming_graph import StreamJob
    from pipeline.launch.dry_run import DryRun
    from pipeline.launch.runners import Runner

_SUBSCRIPTION: Final = Option(
    "the Pub/Sub subscription to read: projects/P/subscriptions/S",
    "NAME",
    resource("subscriptions", "PUBSUB_SUBSCRIPTION"),
    parameter=Parameter("Pub/Sub subscription", shared.SOURCE, required=True),
)
_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="the event types that make a user active, where the warehouse holds nothing yet; refused "
    "where its tables were built with others (default: those of the tables)",
    default=None,
)
_RULES: Final = replace(
    shared.RULES,
    help="a file of rules (TOML, docs/rules.md), local or gs://, that says what fields and values "
    "of messages mean, where the warehouse holds nothing yet; none reads messages as they are, and "
    "what differs from the rules of its tables is refused (default: those of the tables, or none)",
)
_LATE_HORIZON: Final = Option(
    "on other runners than this machine's: how late an event may come, in days; a later one is a "
    "dead letter (too_late), and events are known as repeated for so long (default: "
    f"{shared.LATE_HORIZON_DAYS})",
    "DAYS",
    whole(1, 3_650),
    default=None,
    parameter=Parameter("Late horizon, in days", shared.LIMITS),
)
_FLUSH: Final = Option(
    "how often the tables are brought up to date: a stream on this machine has an event in all of "
    "them at its next flush, one on Dataflow within two; for BigQuery 60 or more keep within its "
    "1,500 jobs a table and day (default: 60)",
    "SECONDS",
    number(1, "a number of seconds, 1 or more"),
    default=60.0,
    parameter=Parameter("Flush interval, in seconds", shared.LOAD),
)
_MERGE: Final = Option(
    "on Dataflow: how often rows that change are merged, of users and of events that a late one "
    "renumbers, as BigQuery bills what a merge reads; new events and marts come with each flush in "
    "any case (default: with each flush)",
    "SECONDS",
    number(1, "a number of seconds, 1 or more"),
    default=None,
    parameter=Parameter("Merge interval, in seconds", shared.LOAD),
)
_CONTINUES: Final = Option(
    "the job takes the place of the one that keeps the tables true and goes on with its state: "
    "true with Beam's --update, where the tables are not empty (default: false)",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
    parameter=Parameter("Takes over from a running job", shared.LOAD),
)
_QUALITY: Final = Option(
    "what becomes of checks: warn evaluates at each flush those that it can answer and reports "
    "what fails, off none; a stream is never stopped by them (default: warn)",
    "warn|off",
    one_of("warn", "off"),
    default="warn",
    parameter=Parameter("What becomes of checks", shared.LIMITS),
)
_DEAD_LETTER_TOPIC: Final = Option(
    "publish dead letters to this topic too: projects/P/topics/T",
    "NAME",
    resource("topics", "PUBSUB_TOPIC"),
    parameter=Parameter("Topic for dead letters", shared.LIMITS),
)
# Over how many keys sums are spread, and each table's rows staged, where workers are many.
_SHARDS: Final = 16


@dataclass(frozen=True)
class StreamOptions(AsksRules, AsksFigures):
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if no subscription is named.
    """

    subscription: str = given_by(_SUBSCRIPTION)
    warehouse: str = given_by(shared.WAREHOUSE)
    location: str | None = given_by(shared.LOCATION)
    require_partition_filter: bool | None = given_by(shared.PARTITION_FILTER)
    active_event_types: AskedFigures | None = given_by(_ACTIVE_TYPES)
    timezone: str | None = given_by(shared.TIMEZONE)
    week_start: WeekStart | None = given_by(shared.WEEK_START)
    rules: str | None = given_by(_RULES)
    preset: str | None = given_by(shared.PRESET)
    late_horizon_days: int | None = given_by(_LATE_HORIZON)
    max_future_minutes: int = given_by(shared.MAX_FUTURE)
    flush_seconds: float = given_by(_FLUSH)
    merge_seconds: float | None = given_by(_MERGE)
    continues: bool = given_by(_CONTINUES)
    quality: Literal["warn", "off"] = given_by(_QUALITY)
    dead_letter_topic: str | None = given_by(_DEAD_LETTER_TOPIC)
    alert: Webhook | None = given_by(shared.ALERT)
    alert_dead_letter_pct: float = given_by(shared.ALERT_DEAD_LETTERS)
    max_age_hours: float | None = given_by(shared.MAX_AGE)
    beam: BeamArguments = BeamArguments()

    def __post_init__(self) -> None:
        if not self.subscription:
            raise OptionError("--subscription is missing: name one of Pub/Sub")
        super().__post_init__()


def run(options: StreamOptions) -> None:
    """Keep the tables true from messages: here until a signal stops it, or on another runner.

    Raises:
        OptionError: if an option can't be right.
        RunError, or a runner's error around it: if the run failed.
    """
    started_at = utc_now()
    keep_to_owner()
    alerts = Alerts.of(options)
    from pipeline.launch.dry_run import dry_run_of
    from pipeline.launch.runners import choose_streaming_runner, is_dataflow, refuse_alert
    from pipeline.storage import check_storage
    from pipeline.warehouse import WarehouseOptions, open_warehouse
    from pipeline.warehouse.run_ids import new_stream
    from transforms.marts.registry import ALL_TABLES
    from transforms.state.registry import STATE_TABLES

    beam = options.beam
    warehouse = open_warehouse(
        options.warehouse, WarehouseOptions(options.location, options.require_partition_filter)
    )
    runner = choose_streaming_runner(beam.values, warehouse)
    dry_run = dry_run_of(beam.values, runner)
    refuse_alert(alerts is not None, runner.local)
    dry_run.check(warehouse, (*ALL_TABLES, *STATE_TABLES.values()), beam.temp_location)
    from pipeline.graphs.streaming_graph import StreamJob
    from pipeline.launch.excluded_of_tables import refuse_rates
    from pipeline.launch.rules_of_run import with_own_types
    from pipeline.pubsub.resources import check_subscription, check_topic

    if not dry_run.offline:
        check_storage([beam.temp_location, options.rules], beam.own)
        check_subscription(options.subscription)
        if options.dead_letter_topic is not None:
            check_topic(options.dead_letter_topic)
    # Whether a template's launcher hands --update to this process nobody promises.
    updates = options.continues or "update" in beam.values
    if updates and not is_dataflow(runner.name):
        raise OptionError(
            "--update and --continues are for jobs on Dataflow: other streams go on from their "
            "tables by themselves; leave them out"
        )
    job = StreamJob(
        subscription=options.subscription,
        warehouse=warehouse,
        run=new_stream(started_at),
        # Until it is known what the tables were built with.
        figures=FigureSettings(),
        late_horizon_days=options.late_horizon_days or shared.LATE_HORIZON_DAYS,
        flush_seconds=options.flush_seconds,
        dead_letter_topic=options.dead_letter_topic,
        shards=_SHARDS,
        quality=options.quality,
        max_future_minutes=options.max_future_minutes,
        started_at=started_at,
        settings=recorded(options),
    )
    asked = options.asked_figures
    if not dry_run.offline:
        job = _by_rules(job, options.asked_rules)
        if not runner.local:
            refuse_rates(job.rates)
        asked = with_own_types(asked, job.rules)
    if runner.local:
        _run_here(options, job, asked, alerts)
    else:
        _hand_over(options, job, asked, runner, dry_run, updates=updates)
    dry_run.print_ending()


def _by_rules(job: StreamJob, asked: str | None) -> StreamJob:
    """A stream with the rules of its tables, or with those that it is told and that it notes."""
    from pipeline.launch.rules_of_run import note_of
    from pipeline.launch.stream_start import rules_of_stream
    from transforms.state.warehouse_settings import RULES

    rules = rules_of_stream(job.warehouse, asked)
    noted = {} if asked is None else {RULES: note_of(rules)}
    return replace(job, rules=rules, settings={**job.settings, **noted})


def _run_here(
    options: StreamOptions, job: StreamJob, asked: AskedFigures | None, alerts: Alerts | None
) -> None:
    from pipeline.alerts.telling import alerting
    from pipeline.launch.stream_here import run_stream

    if options.late_horizon_days is not None:
        print_error(
            "--late_horizon_days is not used: a stream on this machine takes in events of any age"
        )
    if options.merge_seconds is not None:
        print_error("--merge_seconds is not used: a stream on this machine merges at each flush")
    with alerting(alerts, job.warehouse, COMMAND.name):
        run_stream(job, asked, options.beam.temp_location, alerts)


def _hand_over(
    options: StreamOptions,
    job: StreamJob,
    asked: AskedFigures | None,
    runner: Runner,
    dry_run: DryRun,
    *,
    updates: bool,
) -> None:
    from pipeline.launch.beam_run import pipeline_options
    from pipeline.launch.runners import is_dataflow
    from pipeline.launch.stream_launch import (
        attend_stream,
        claimed,
        hand_over_stream,
        taken_over,
    )

    beam = options.beam
    for_beam = pipeline_options(runner, beam.whole, COMMAND.name, COMMAND.declared)
    stage = taken_over if updates else claimed
    # Dataflow's state is durable when a bundle ends, that of others at their next checkpoint.
    job = replace(job, appends=is_dataflow(runner.name), merge_every=_merge_every(options))
    job = stage(job, asked, beam.temp_location, dry_run)
    if is_dataflow(runner.name):
        hand_over_stream(job, for_beam)
    else:
        attend_stream(job, for_beam)


def _merge_every(options: StreamOptions) -> int:
    """Every how many steps of staging, of which a flush has two, rows are merged."""
    if options.merge_seconds is None:
        return 1
    return max(round(2 * options.merge_seconds / options.flush_seconds), 1)


_HELP: Final = """\
Keep the same tables true from Pub/Sub messages, near real time.

A message is a JSON object with the columns of `batch` as fields, or as --rules say; where its
attribute content_type is text/csv, it is one CSV record of these columns in order. Late, repeated
and out-of-order events end in the figures that batch would compute.

On this machine the stream goes on from what the tables hold, by whichever command: start it behind
a batch, and again after any stop. It takes in events of any age. It runs until Ctrl-C or SIGTERM:
then it reads no more, commits what it has read, and prints a summary; a second Ctrl-C leaves at
once. A message is acknowledged once all that it brings is committed, so what was not comes again.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --subscription projects/P/subscriptions/S \\
      --warehouse duckdb:///live.duckdb --flush_seconds 10
  %(prog)s --subscription projects/P/subscriptions/S \\
      --warehouse bigquery://P/dataset --temp_location gs://B/tmp \\
      --runner DataflowRunner --project P --region R --enable_streaming_engine

The line of a flush says what became of all messages so far, dead letters by their reasons; a
warning says so where they are more than a tenth, with an example and the way out.
"""

COMMAND: Final = Command(
    "stream", "Pub/Sub messages to all tables", StreamOptions, run, _HELP, _EXAMPLES
)
