"""The replay command: dead letters corrected, tried again, and counted as if they were right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from pipeline.allocator import keep_freed_memory
from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.launch.process import keep_to_owner, leave_at_once_on_interrupt
from pipeline.moments import utc_now
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksRules
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import Option, Parameter, given_by, recorded
from pipeline.options.option_values import (
    ERROR_TYPE,
    SWITCH,
    corrected_file,
    moment,
    new_csv_file,
    resource,
)
from transforms.figure_settings import AskedFigures

if TYPE_CHECKING:
    from pipeline.replay.attempt import Correct
    from pipeline.replay.replay_job import ReplayJob
    from pipeline.replay.spreadsheet import Corrected
    from pipeline.warehouse import Warehouse

_ERROR_TYPE: Final = Option(
    "take only dead letters of these types: one or more, e.g. bad_country (default: all)",
    "TYPE",
    ERROR_TYPE,
    many=True,
)
_SINCE: Final = Option(
    "take only dead letters that failed at this date or time (UTC) or later", "DATE", moment
)
_EDIT: Final = Option(
    "correct the records: an expression for sed, or the path of an executable file, which is "
    "run with your rights: it reads them on stdin, one a line, and writes as many to stdout",
    "SED_OR_FILE",
)
_OUTPUT: Final = Option(
    "write the dead letters into this file instead, to be corrected by hand",
    "FILE.csv",
    new_csv_file,
)
_INPUT: Final = Option("read the corrected file of --output back", "FILE.csv", corrected_file)
_DRY_RUN: Final = Option(
    "show what would happen, and write nothing",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
)
_TOPIC: Final = Option(
    "publish the corrected records to this topic, for the stream that keeps the tables, "
    "instead of changing them: projects/P/topics/T",
    "NAME",
    resource("topics", "PUBSUB_TOPIC"),
)
_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="the event types that make a user active; needed only where the warehouse does not "
    "say with which its tables were built, and refused where it says otherwise",
    default=None,
)


_RULES: Final = replace(
    shared.RULES,
    help="a file of rules (TOML, docs/rules.md), local or gs://, by which records are read "
    "again, and later files; it may only take in more than those of the tables: further event "
    "types, lines for values that were refused, formats of times behind those that there were "
    "(default: those that the tables were built with, or none)",
    parameter=Parameter(is_offered=False),
)
_PRESET: Final = replace(shared.PRESET, parameter=Parameter(is_offered=False))


@dataclass(frozen=True)
class ReplayOptions(AsksRules):
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if options contradict each other.
    """

    warehouse: str = given_by(shared.WAREHOUSE)
    error_type: tuple[str, ...] = given_by(_ERROR_TYPE)
    since: datetime | None = given_by(_SINCE)
    edit: str | None = given_by(_EDIT)
    output: str | None = given_by(_OUTPUT)
    input: str | None = given_by(_INPUT)
    dry_run: bool = given_by(_DRY_RUN)
    topic: str | None = given_by(_TOPIC)
    stream_stopped: bool = given_by(shared.STREAM_STOPPED)
    active_event_types: AskedFigures | None = given_by(_ACTIVE_TYPES)
    rules: str | None = given_by(_RULES)
    preset: str | None = given_by(_PRESET)
    max_future_minutes: int = given_by(shared.MAX_FUTURE)
    user_shards: int | None = given_by(shared.USER_SHARDS)
    quality: shared.Quality = given_by(shared.QUALITY)
    summary_file: str | None = given_by(shared.SUMMARY_FILE)
    beam: BeamArguments = BeamArguments()

    def __post_init__(self) -> None:
        for one, other, why in (
            ("edit", "input", "a dead letter is corrected by one of them"),
            ("output", "input", "the file is either written or read"),
            ("output", "edit", "dead letters are written out as they came"),
            ("output", "dry_run", "writing them out changes nothing"),
            ("output", "topic", "dead letters are either written out or published"),
            ("output", "summary_file", "writing them out replays nothing"),
            ("output", "rules", "dead letters are written out as they came"),
            ("output", "preset", "dead letters are written out as they came"),
            ("topic", "rules", "a stream keeps to the rules that it began with"),
            ("topic", "preset", "a stream keeps to the rules that it began with"),
        ):
            if getattr(self, one) and getattr(self, other):
                raise OptionError(f"--{one} and --{other} do not go together: {why}")
        super().__post_init__()

    @property
    def updates(self) -> bool:
        """Whether the tables are changed."""
        return not (self.output or self.dry_run or self.topic)


def run(options: ReplayOptions) -> None:
    """Show, write out, publish, or put the dead letters that pass into the tables.

    Raises:
        OptionError: if an option can't be right.
        RunError, or a runner's error around it: if the run failed.
    """
    started_at = utc_now()
    leave_at_once_on_interrupt(COMMAND.name)
    keep_to_owner()
    keep_freed_memory()
    # Beam, which takes a second to import, is imported where it is needed.
    from pipeline import summary_file
    from pipeline.launch.asked_beam import ByBeam
    from pipeline.launch.runners import choose_runner
    from pipeline.replay.preconditions import check_tables, correcting
    from pipeline.storage import check_storage
    from pipeline.warehouse import open_warehouse
    from transforms.marts.registry import ALL_TABLES, CORRECTIONS
    from transforms.state.registry import STATE_TABLES

    beam = options.beam
    correction = correcting(options.edit, options.input)
    warehouse = open_warehouse(options.warehouse)
    runner = choose_runner(beam.values, warehouse)
    taken = [warehouse.location, options.input, options.output]
    summary_file.refuse_taken(options.summary_file, [path for path in taken if path])
    needs_staging = options.updates or warehouse.capabilities.workers_must_be_local
    if needs_staging:
        warehouse.check_staging(beam.temp_location)
    check_storage([beam.temp_location, options.summary_file], beam.own)
    summary_file.clear(options.summary_file)
    if needs_staging:
        warehouse.check((*ALL_TABLES, CORRECTIONS, *STATE_TABLES.values()), beam.temp_location)
    with warehouse.kept_open():
        check_tables(warehouse)
        job = _job(options, warehouse, correction, started_at)
    from pipeline.replay import actions

    if options.output:
        actions.write_out(job, options.output)
    elif options.dry_run:
        actions.try_out(job, options.summary_file)
    elif options.topic:
        actions.publish(job, options.topic, options.summary_file)
    else:
        by_beam = ByBeam.of(runner, beam, COMMAND.name)
        actions.update_tables(job, by_beam, beam.temp_location, options.summary_file)


def _job(
    options: ReplayOptions,
    warehouse: Warehouse,
    correction: tuple[Correct, Corrected | None],
    started_at: datetime,
) -> ReplayJob:
    """What is to be tried, and by which rules and settings of figures."""
    from pipeline.launch.rules_of_run import note_of, rules_to_try, with_own_types
    from pipeline.replay.preconditions import settle, types_to_try
    from pipeline.replay.replay_job import ReplayJob
    from transforms.kernels.dead_letters import Selection
    from transforms.state.warehouse_settings import RULES

    correct, corrected = correction
    rules, settings = rules_to_try(warehouse, options.asked_rules), recorded(options)
    if options.asked_rules is not None:
        settings[RULES] = note_of(rules)
    asked = with_own_types(options.active_event_types, rules)
    if options.updates:
        figures = settle(warehouse, asked, options.stream_stopped)
    else:
        figures = types_to_try(warehouse, asked)
    return ReplayJob(
        warehouse=warehouse,
        started_at=started_at,
        selection=Selection(frozenset(options.error_type), options.since),
        correct=correct,
        corrected=corrected,
        figures=figures,
        max_future_minutes=options.max_future_minutes,
        user_shards=options.user_shards,
        quality=options.quality,
        settings=settings,
        rules=rules,
    )


_HELP: Final = """\
Try dead letters again, corrected or as they came, and put those that pass into the tables.

They go through the parser again. Those that pass become events as if they had been right from the
beginning: in one commit all tables become what batch makes of the corrected input, as by an update.
Those that fail again stay unchanged; attributes holds how often they were tried, as replay_tries.
Dead letters that you did not select stay unchanged. Replaying twice changes nothing: what was tried
last counts once. A dead letter that holds only the beginning of a record, because that is too long,
is never tried.

--edit corrects records on their way. The path of an executable file is run, with all that you may
do: name none that you would not run yourself. Anything else is an expression for sed, which is run
as sed --sandbox -e, so that it can neither write files nor run commands; a sed without --sandbox
(that of macOS, say) is refused. It is one process for all records, in the folder of this command.
It reads one record a line from stdin and writes one line for each, in the same order, to stdout:
the CSV record with its file's columns, or the message's JSON, as it came. Line breaks within a
record are written as the signs U+240A (LF) and U+240D (CR), and read back as line breaks; bytes
that are not UTF-8 stay unchanged. An exit code other than 0, or another number of lines, ends the
replay before any table is touched.

--output writes dead letters as CSV for an editor or a spreadsheet: the eight columns of the source,
or payload where a record can't be split into them. Correct rows there, remove those that are to
stay unchanged, leave dead_letter_id alone, and read the file back with --input. An apostrophe
before a cell, or within one after ; | and the like, keeps spreadsheets from changing it or taking
it for a formula; in bytes that are not UTF-8, \\xe9 is one byte.

Where files are read by rules, --rules names corrected ones: what these take in beside what the
tables have becomes events, and the warehouse notes them for the next update. Rules that would make
other events of what is stored are refused: run batch over the source files with them.

A running stream keeps its state to itself, so its tables are not changed: publish the corrected
records to its topic instead, with --topic. A stream takes what is within its horizon.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --error_type unknown_platform --edit 's/Windows Phone/Web/' --dry_run
  %(prog)s --error_type unknown_platform --edit 's/Windows Phone/Web/'
  %(prog)s --error_type unknown_event_type --rules rules.toml
  %(prog)s --since 2025-06-01 --edit ./correct.py --summary_file replay.json
  %(prog)s --output dead_letters.csv
  %(prog)s --input dead_letters.csv
  %(prog)s --warehouse bigquery://project/dataset \\
      --temp_location gs://bucket/tmp --error_type too_late --stream_stopped
  %(prog)s --warehouse bigquery://project/dataset --edit ./correct.py \\
      --topic projects/P/topics/events

exit codes: 0 done, or nothing to do; 1 it failed, and unless the message says otherwise the tables
are as they were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

COMMAND: Final = Command(
    "replay", "dead letters corrected and tried again", ReplayOptions, run, _HELP, _EXAMPLES
)
