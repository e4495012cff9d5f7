"""The rebuild command: all tables from the events that are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.allocator import keep_freed_memory
from pipeline.commands.command import Command
from pipeline.launch.process import keep_to_owner, leave_at_once_on_interrupt
from pipeline.moments import utc_now
from pipeline.options import shared_options as shared
from pipeline.options.asked import AsksFigures, AsksRules
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import given_by, recorded
from transforms.figure_settings import AskedFigures
from transforms.reckoning import WeekStart

_ACTIVE_TYPES: Final = replace(
    shared.ACTIVE_TYPES,
    help="the event types that make a user active from now on (default: those with which the "
    "tables were built)",
    default=None,
)

_TIMEZONE: Final = replace(
    shared.TIMEZONE,
    help="the time zone of dates, weeks and months from now on, such as Asia/Singapore; event_time "
    "stays UTC. It is noted in the warehouse (default: that of the tables)",
)
_WEEK_START: Final = replace(
    shared.WEEK_START,
    help="the day with which a week begins from now on; it is noted in the warehouse (default: "
    "that of the tables)",
)
_RULES: Final = replace(
    shared.RULES,
    help="a file of rules, local or gs://, that may only take in more than those that the tables "
    "were built with; update takes it then, and replay tries dead letters by it (default: the "
    "rules of the tables)",
    metavar="FILE",
)


@dataclass(frozen=True)
class RebuildCommandOptions(AsksRules, AsksFigures):
    """What a command line asks for; the options' own texts say what each field means."""

    warehouse: str = given_by(shared.WAREHOUSE)
    active_event_types: AskedFigures | None = given_by(_ACTIVE_TYPES)
    timezone: str | None = given_by(_TIMEZONE)
    week_start: WeekStart | None = given_by(_WEEK_START)
    stream_stopped: bool = given_by(shared.STREAM_STOPPED)
    rules: str | None = given_by(_RULES)
    preset: str | None = given_by(shared.PRESET)
    user_shards: int | None = given_by(shared.USER_SHARDS)
    workers: int | None = given_by(shared.WORKERS)
    quality: shared.Quality = given_by(shared.QUALITY)
    summary_file: str | None = given_by(shared.SUMMARY_FILE)
    beam: BeamArguments = BeamArguments()

    def __post_init__(self) -> None:
        super().__post_init__()
        shared.refuse_workers(self.workers, self.beam)


def run(options: RebuildCommandOptions) -> None:
    """Replace all tables by what the stored events say, and print a summary.

    Raises:
        OptionError: if an option can't be right, or the stored events can't give all tables.
        RunError, or a runner's error around it: if the run failed.
    """
    started_at = utc_now()
    leave_at_once_on_interrupt(COMMAND.name)
    keep_to_owner()
    keep_freed_memory()
    # Beam, which takes a second to import, is imported where it is needed.
    from pipeline import summary_file
    from pipeline.launch.asked_beam import ByBeam
    from pipeline.launch.excluded_of_tables import refuse_looser
    from pipeline.launch.rules_of_run import note_of, rules_to_keep, with_own_types
    from pipeline.launch.runners import choose_runner
    from pipeline.launch.stored_rows import check_stored
    from pipeline.launch.tables_built import refuse_stream, types_to_build
    from pipeline.storage import check_storage
    from pipeline.warehouse import open_warehouse
    from pipeline.warehouse.run_ids import new_run
    from transforms.marts.registry import ALL_TABLES, CORRECTIONS
    from transforms.state.registry import STATE_TABLES
    from transforms.state.warehouse_settings import RULES

    beam = options.beam
    warehouse = open_warehouse(options.warehouse)
    runner = choose_runner(beam.values, warehouse)
    summary_file.refuse_taken(options.summary_file, [warehouse.location])
    warehouse.check_staging(beam.temp_location)
    check_storage([beam.temp_location, options.summary_file], beam.own)
    summary_file.clear(options.summary_file)
    warehouse.check((*ALL_TABLES, CORRECTIONS, *STATE_TABLES.values()), beam.temp_location)
    asked_rules = options.asked_rules
    with warehouse.kept_open():
        check_stored(warehouse)
        refuse_stream(warehouse, options.stream_stopped)
        rules = rules_to_keep(warehouse, asked_rules)
        types = types_to_build(warehouse, with_own_types(options.asked_figures, rules))
        refuse_looser(warehouse, rules, types.reckoning)
    settings = recorded(options)
    if asked_rules is not None:
        settings[RULES] = note_of(rules)
    from pipeline.graphs.batch_job import BatchJob
    from pipeline.launch.rebuild_launch import RebuildOptions, run_rebuild

    job = BatchJob(
        files=(),
        warehouse=warehouse,
        run=new_run(started_at),
        started_at=started_at,
        user_shards=1,
        figures=types,
        max_dead_letter_pct=100.0,  # The dead letters were let in once.
        quality=options.quality,
        command=COMMAND.name,
        settings=settings,
        rules=rules,
    )
    how = RebuildOptions(
        ByBeam.of(runner, beam, COMMAND.name),
        beam.temp_location,
        options.user_shards,
        options.summary_file,
        options.workers,
    )
    run_rebuild(job, how)


_HELP: Final = """\
Build all tables from the events that are stored; no source file is needed.

fct_events says of each event what its source said, so every other column and table follows from it:
ids, sessions, users, marts, and the state tables that update, replay and forget go on from. Run it
after an upgrade that changes formulas or ids, once for a warehouse that a version without state
tables has written, or to have other event types make a user active, with --active_event_types.

All tables are replaced in one commit, as by batch. Dead letters and their corrections stay, and so
does what loaded_files says. Columns that follow from others are not read. Where one is missing from
which others follow, or holds what no source can have said, nothing is changed: run batch over all
source files then. It costs what a batch over as many events costs, without the parsing.

  stored rows = events + duplicates + dead letters

A duplicate is an event that somebody has stored a second time.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse duckdb:////data/growth.duckdb \\
      --active_event_types miles_earned,miles_redeemed
  %(prog)s --warehouse bigquery://project/dataset \\
      --temp_location gs://bucket/tmp

exit codes: 0 done; 1 the run failed, and unless the message says otherwise the tables are as they
were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

COMMAND: Final = Command(
    "rebuild",
    "all tables again from stored events",
    RebuildCommandOptions,
    run,
    _HELP,
    _EXAMPLES,
)
