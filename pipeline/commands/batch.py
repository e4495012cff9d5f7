"""The batch command: CSV files to all tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.alerts.bounds import Alerts
from pipeline.allocator import keep_freed_memory
from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.launch.process import keep_to_owner, leave_at_once_on_interrupt
from pipeline.moments import utc_now
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksFigures, AsksRules
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import Option, Parameter, given_by, recorded
from pipeline.options.option_values import PERCENTAGE, SWITCH
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures
from transforms.reckoning import WeekStart
from transforms.vocabulary import EVENT_TYPES, PLATFORMS

_MAX_SHRINK: Final = Option(
    "how much less of the history a run may leave than the tables hold, in percent of the "
    "events, the users or the dates; a run that would leave less, or that read no row where "
    "the tables hold some, fails and no table is touched (default: 10)",
    "PCT",
    PERCENTAGE,
    default=10.0,
    parameter=Parameter("Most that may be lost, in percent", shared.LIMITS),
)
_ALLOW_SHRINK: Final = Option(
    "replace the tables however much less the run would leave, even nothing (default: false)",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
    parameter=Parameter("Allow that history is lost", shared.LIMITS),
)
_TIMEZONE: Final = replace(
    shared.TIMEZONE,
    help="the time zone of dates, weeks and months, such as Asia/Singapore; event_time stays UTC. "
    "It is noted in the warehouse, and holds for later runs (default: that of the tables, or UTC)",
)
_WEEK_START: Final = replace(
    shared.WEEK_START,
    help="the day with which a week begins; it is noted in the warehouse, and holds for later runs "
    "(default: that of the tables, or monday)",
)


@dataclass(frozen=True)
class BatchOptions(AsksRules, AsksFigures):
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if no input is named.
    """

    input: tuple[str, ...] = given_by(shared.INPUT)
    rules: str | None = given_by(shared.RULES)
    preset: str | None = given_by(shared.PRESET)
    people: str | None = given_by(shared.PEOPLE)
    warehouse: str = given_by(shared.WAREHOUSE)
    location: str | None = given_by(shared.LOCATION)
    require_partition_filter: bool | None = given_by(shared.PARTITION_FILTER)
    user_shards: int | None = given_by(shared.USER_SHARDS)
    workers: int | None = given_by(shared.WORKERS)
    active_event_types: AskedFigures | None = given_by(shared.ACTIVE_TYPES)
    timezone: str | None = given_by(_TIMEZONE)
    week_start: WeekStart | None = given_by(_WEEK_START)
    stream_stopped: bool = given_by(shared.STREAM_STOPPED)
    max_dead_letter_pct: float = given_by(shared.MAX_DEAD_LETTERS)
    max_shrink_pct: float = given_by(_MAX_SHRINK)
    allow_shrink: bool = given_by(_ALLOW_SHRINK)
    max_future_minutes: int = given_by(shared.MAX_FUTURE)
    quality: shared.Quality = given_by(shared.QUALITY)
    summary_file: str | None = given_by(shared.SUMMARY_FILE)
    alert: Webhook | None = given_by(shared.ALERT)
    alert_dead_letter_pct: float = given_by(shared.ALERT_DEAD_LETTERS)
    max_age_hours: float | None = given_by(shared.MAX_AGE)
    beam: BeamArguments = BeamArguments()

    def __post_init__(self) -> None:
        if not self.input:
            raise OptionError("--input is missing: give one or more CSV files or globs")
        super().__post_init__()
        shared.refuse_workers(self.workers, self.beam)


def run(options: BatchOptions) -> None:
    """Replace all tables by what the files hold, and print a summary.

    Raises:
        OptionError: if an option can't be right.
        RunError, or a runner's error around it: if the run failed.
    """
    started_at = utc_now()
    keep_to_owner()
    alerts = Alerts.of(options)
    keep_freed_memory()
    # Beam, which takes a second to import, is imported where it is needed.
    from pipeline.launch.file_runs import prepare
    from pipeline.launch.tables_built import first_types, refuse_stream, warn_of_other_types

    found, beam = prepare(options).with_types_of_files(), options.beam
    offline = found.dry_run.offline
    asked = found.event_types(options.asked_figures)
    if offline:
        types = first_types(asked)
    else:
        with found.warehouse.kept_open():
            types = first_types(asked, found.warehouse)
            refuse_stream(found.warehouse, options.stream_stopped)
            warn_of_other_types(found.warehouse, types)
    from pipeline.alerts.telling import alerting
    from pipeline.launch.asked_beam import ByBeam
    from pipeline.launch.batch_launch import run_batch

    leave_at_once_on_interrupt(COMMAND.name)
    job = found.job(
        started_at,
        types,
        max_shrink_pct=None if options.allow_shrink else options.max_shrink_pct,
        settings=recorded(options),
    )
    by_beam = ByBeam.of(found.runner, beam, COMMAND.name, COMMAND.declared)
    where = beam.temp_location
    if found.waits:
        with alerting(alerts, found.warehouse, COMMAND.name):
            run_batch(job, by_beam, where, options.summary_file, options.workers)
    else:
        from pipeline.launch.handover import hand_over

        hand_over(job, by_beam.options(), where, found.dry_run)
    found.dry_run.print_ending()


_HELP: Final = f"""\
Turn CSV files of raw user events into eighteen analytics tables.

The files need a header with these columns, in any order; others are ignored:

  event_time            ISO 8601, UTC unless it has an offset: 2025-01-31T12:34:56.789Z
  user_id               anything but blank
  event_type            {", ".join(EVENT_TYPES)}
  transaction_category  any, may be empty
  miles_amount          a whole number; needed by miles_earned and miles_redeemed
  platform              {", ".join(PLATFORMS)}
  utm_source            any, may be empty
  country               two letters, may be empty

Files that call them otherwise, and JSON lines, JSON and Parquet, are read by --rules, which
`inspect` proposes, or by --preset.

Rows that are equal in all of them are one event. Rows that break a rule go to the table
dead_letter_events, with the reason and the row itself; nothing is lost:

  input rows = fct_events + duplicates + dead letters (+ rows of forgotten users)

Before a commit the tables are checked (docs/tables.md lists what they must keep); a failed check
leaves them as they were, and data_quality_results holds the results of every run.

Every run replaces all tables that follow from events; who was forgotten, corrections of dead
letters and what is noted of runs stay. A DuckDB file's are replaced at once or, if the run fails,
none; BigQuery's, once all data is loaded, side by side, each of them at once.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --input 'events/*.csv'
  %(prog)s --input 2024.csv.gz 'gs://bucket/2025/*.csv' \\
      --warehouse duckdb:////data/growth.duckdb --summary_file run.json
  %(prog)s --input big.csv --active_event_types miles_earned,miles_redeemed
  %(prog)s --input big.csv --workers 4
  %(prog)s --input 'gs://bucket/events/*.csv' \\
      --warehouse bigquery://project/dataset --temp_location gs://bucket/tmp

Processes of this machine do the work, one for each core. With an option of Apache Beam, which go
here too (--runner DataflowRunner ...), its runner does. Staged files go beside a DuckDB warehouse,
or below --temp_location, which BigQuery needs on gs://.

exit codes: 0 done; 1 the run failed, and unless the message says otherwise the tables are as they
were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

COMMAND: Final = Command("batch", "CSV files to all tables", BatchOptions, run, _HELP, _EXAMPLES)
