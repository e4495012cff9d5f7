"""The update command: CSV files that are new, into tables that are there."""

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
from pipeline.options.option import given_by, recorded
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures, FigureSettings
from transforms.reckoning import WeekStart

_INPUT: Final = replace(
    shared.INPUT,
    help="CSV files (.csv, .csv.gz), by rules also JSON lines, JSON and Parquet: one or more paths "
    "or globs, local or gs://, the same every day; quote globs. Files that were loaded before are "
    "left out",
)
_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="the event types that make a user active, where the warehouse holds nothing yet; refused "
    "where its tables were built with others (default: those of the tables)",
    default=None,
)
_USER_SHARDS: Final = replace(
    shared.USER_SHARDS,
    help="into how many shards users are split; a worker holds two or three in memory (default: "
    "one for every 12 MB of new CSV, 1,024 at most)",
)


@dataclass(frozen=True)
class UpdateOptions(AsksRules, AsksFigures):
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if no input is named.
    """

    input: tuple[str, ...] = given_by(_INPUT)
    rules: str | None = given_by(shared.RULES)
    preset: str | None = given_by(shared.PRESET)
    people: str | None = given_by(shared.PEOPLE)
    warehouse: str = given_by(shared.WAREHOUSE)
    location: str | None = given_by(shared.LOCATION)
    require_partition_filter: bool | None = given_by(shared.PARTITION_FILTER)
    user_shards: int | None = given_by(_USER_SHARDS)
    active_event_types: AskedFigures | None = given_by(_ACTIVE_TYPES)
    timezone: str | None = given_by(shared.TIMEZONE)
    week_start: WeekStart | None = given_by(shared.WEEK_START)
    stream_stopped: bool = given_by(shared.STREAM_STOPPED)
    max_dead_letter_pct: float = given_by(shared.MAX_DEAD_LETTERS)
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


def run(options: UpdateOptions) -> None:
    """Load the files that are new, and print a summary.

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

    found = prepare(options)
    from pipeline.alerts.telling import alerting
    from pipeline.launch.asked_beam import ByBeam
    from pipeline.launch.new_files import Asked
    from pipeline.launch.update_launch import run_update

    leave_at_once_on_interrupt(COMMAND.name)
    types = found.event_types(options.asked_figures)
    asked = Asked(types, options.user_shards, options.stream_stopped, options.asked_rules)
    # Until it is known what the tables were built with.
    unknown = FigureSettings()
    job = found.job(started_at, unknown, command=COMMAND.name, settings=recorded(options))
    by_beam = ByBeam.of(found.runner, options.beam, COMMAND.name, COMMAND.declared)
    where = options.beam.temp_location
    if found.waits:
        with alerting(alerts, found.warehouse, COMMAND.name):
            run_update(job, asked, by_beam, where, options.summary_file)
    else:
        from pipeline.launch.update_handover import hand_over_update

        hand_over_update(job, asked, by_beam.options(), where, found.dry_run)
    found.dry_run.print_ending()


_HELP: Final = """\
Load CSV files that are new into tables that are there: every day the same line.

Which files were loaded stands in the table loaded_files, by their paths; the others that the globs
match are read. All tables then are what batch would make of all files together: late events, events
that came before, sessions that go on over files and midnights, cohorts that move. What is read and
written grows with what is new, not with the history: the state of the users in the new files, the
stored events of their dates, and the rows that change, in one commit.

People whom --people names and who were not known before are moved to the ids that stand for them,
with all figures, before files are loaded, be there a new one or not (docs/people.md).

Where the warehouse holds nothing yet, it is a batch; where no file is new, nothing is changed. A
file whose bytes have changed since is refused; one that is gone is no error. A copy of a
loaded file under another name brings duplicates only.

The files are as batch takes them (see its help page), and so are dead letters:

  input rows = new events + duplicates + dead letters + rows of forgotten users

Before the commit those checks are evaluated that the changed rows and the marts as a whole answer;
`check` asks the others.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --input 'events/*.csv'
  %(prog)s --input 'events/*.csv' --people people.csv
  %(prog)s --input 'gs://bucket/events/*.csv' \\
      --warehouse bigquery://project/dataset --temp_location gs://bucket/tmp

exit codes: 0 done, or nothing to do; 1 the run failed, and unless the message says otherwise the
tables are as they were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

COMMAND: Final = Command(
    "update", "new CSV files into tables that are there", UpdateOptions, run, _HELP, _EXAMPLES
)
