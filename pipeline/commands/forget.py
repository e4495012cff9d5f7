"""The forget command: people out of all tables, for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.commands.command import Command
from pipeline.errors import OptionError
from pipeline.launch.process import keep_to_owner, leave_at_once_on_interrupt
from pipeline.moments import utc_now
from pipeline.options import shared_options as shared
from pipeline.options.option import Option, given_by
from pipeline.options.option_values import SWITCH

_USER_IDS: Final = Option(
    "text files of user ids, one a line, UTF-8; - is stdin",
    "FILE",
    many=True,
)
_PSEUDONYMISE: Final = Option(
    "keep all events and figures, and give each user a random id that nobody can lead back",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
)
_REWRITE_FILE: Final = Option(
    "DuckDB: rewrite the file, so that nothing can be read in it of who left its tables; false "
    "leaves that to the next forget, whoever it names",
    "true|false",
    SWITCH,
    default=True,
    bare=True,
)
_DRY_RUN: Final = Option(
    "show what would leave the tables, and write nothing",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
)
_TEMP_LOCATION: Final = Option(
    "where to stage: for BigQuery a folder on gs://, for DuckDB one on this machine (default: "
    "beside the file)",
    "FOLDER",
)


@dataclass(frozen=True)
class ForgetOptions:
    """What a command line asks for; the options' own texts say what each field means.

    Raises:
        OptionError: if nobody is named.
    """

    user_ids: tuple[str, ...] = given_by(_USER_IDS)
    warehouse: str = given_by(shared.WAREHOUSE)
    pseudonymise: bool = given_by(_PSEUDONYMISE)
    rewrite_file: bool = given_by(_REWRITE_FILE)
    dry_run: bool = given_by(_DRY_RUN)
    stream_stopped: bool = given_by(shared.STREAM_STOPPED)
    temp_location: str | None = given_by(_TEMP_LOCATION)
    summary_file: str | None = given_by(shared.SUMMARY_FILE)

    def __post_init__(self) -> None:
        if not self.user_ids:
            raise OptionError("--user_ids is missing: name a file of user ids, or - for stdin")


def run(options: ForgetOptions) -> None:
    """Take users out of all tables, or show what that would be.

    Raises:
        OptionError: if an option can't be right.
        RunError: if the run failed.
    """
    started_at = utc_now()
    leave_at_once_on_interrupt(COMMAND.name)
    keep_to_owner()
    from functools import partial

    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline import summary_file
    from pipeline.forget.forget_job import DONE, forget, new_job, try_out
    from pipeline.forget.forget_summary import show_dry_run, show_forgotten
    from pipeline.forget.ids_file import STDIN, read_user_ids
    from pipeline.forget.leaving import WRITTEN
    from pipeline.forget.settled import check_tables
    from pipeline.launch.tables_built import refuse_stream
    from pipeline.storage import check_storage
    from pipeline.warehouse import open_warehouse
    from pipeline.warehouse.run_ids import new_run

    warehouse = open_warehouse(options.warehouse)
    named = [path for path in options.user_ids if path != STDIN]
    summary_file.refuse_taken(options.summary_file, [warehouse.location, *named])
    user_ids = pc.unique(pa.chunked_array([read_user_ids(path) for path in options.user_ids]))
    if not options.dry_run:
        warehouse.check_staging(options.temp_location)
    check_storage([options.temp_location, options.summary_file], [])
    summary_file.clear(options.summary_file)
    if not options.dry_run:
        refuse_stream(warehouse, options.stream_stopped)
    figures = check_tables(warehouse)
    run_id = new_run(started_at)
    job = new_job(warehouse, user_ids, run_id, started_at, figures, options.pseudonymise)
    if options.dry_run:
        report, done, show = try_out(job), "nothing was changed", show_dry_run
    else:
        warehouse.check(WRITTEN, options.temp_location)
        report = forget(job, options.temp_location, options.rewrite_file)
        done, show = DONE, show_forgotten
    summary_file.finish(
        report.to_json(), options.summary_file, done, partial(show, report, warehouse)
    )


_HELP: Final = """\
Take people out of a warehouse: their events, their rows in the tables of users, their dead letters
and corrections, and their keys in samples of failed checks. All figures become what they would be
without them, in one commit, and history is not read for it.

Who was forgotten stays forgotten: a keyed hash of each id, known or not, keeps batch, update,
stream and replay from taking them in again; such rows are counted in the sum of the run. In a
DuckDB file nothing can be read of them afterwards: it is rewritten, which takes room for it once
more, and most of the time. Asking again changes nothing.

Where people are taken out often, --rewrite_file false leaves out the rewriting, until one run does
it for all of them: to rewrite the file alone, name anybody again.

--pseudonymise keeps all figures: each user lives on under a random id, as do the ids of events and
sessions, which are made from it. Dead letters and corrections of theirs go all the same. Later runs
over their source drop their events, as of anybody who was forgotten; so with batch, which replaces
all tables, the figures go too.

What can't be reached is said at the end: source files, backups, and what BigQuery keeps.
"""

_EXAMPLES: Final = """\
examples:
  %(prog)s --user_ids ids.txt --dry_run
  %(prog)s --user_ids ids.txt --summary_file forgotten.json
  echo 12345 | %(prog)s --user_ids - --pseudonymise
  %(prog)s --user_ids ids.txt --warehouse bigquery://project/dataset \\
      --temp_location gs://bucket/tmp

exit codes: 0 done, or nothing to do; 1 it failed, and unless the message says otherwise the tables
are as they were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

COMMAND: Final = Command(
    "forget", "people out of all tables, for good", ForgetOptions, run, _HELP, _EXAMPLES
)
