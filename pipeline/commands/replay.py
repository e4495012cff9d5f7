"""The replay command: dead letters corrected, tried again, and counted as if they were right."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pipeline.allocator import keep_freed_memory
from pipeline.errors import OptionError
from pipeline.launch import summary_file
from pipeline.options import beam_options
from pipeline.options.shared_options import REPLAY
from transforms.vocabulary import EVENT_TYPES

HELP: Final = """\
Try dead letters again, corrected or as they came, and rebuild the tables with those that pass.

Letters go through the same parser as at first. Those that pass become events as if they had been
right from the beginning: all tables are replaced, in one commit, by what batch makes of fct_events
and them. Those that fail again stay as they came; how often they were tried stands in attributes,
as replay_tries. Letters that are not meant stay as they are. Replaying twice changes nothing: what
was tried last counts once. A letter that holds only the beginning of a record, because that is too
long, is never tried.

--edit corrects records on their way. The path of an executable file is run, with all that you may
do: name none that you would not run yourself. Anything else is an expression for sed, which is run
as sed --sandbox -e, so that it can neither write files nor run commands; a sed without --sandbox
(that of macOS, say) is refused. It is one process for all letters, in the folder of this command.
It reads one record a line from stdin and writes one line for each, in the same order, to stdout:
the CSV record with its file's columns, or the message's JSON, as it came. Line breaks within a
record travel as the signs U+240A (LF) and U+240D (CR), and come back as line breaks; bytes that are
no UTF-8 travel as they are. An exit code other than 0, or another number of lines, ends the replay
before any table is touched.

--output writes letters as CSV for an editor or a spreadsheet: the eight columns of the source, or
payload where a record can't be split into them. Correct rows there, remove those that are to stay
as they are, leave dead_letter_id alone, and read the file back with --input. An apostrophe before a
cell, or within one behind ; | and the like, keeps spreadsheets from changing it or taking it for a
formula; in bytes that are no UTF-8, \\xe9 is one byte.

A stream that is at work keeps its figures to itself, so its tables are not rebuilt: publish the
corrected records to its topic instead, with --topic. A stream takes what is within its horizon.
"""

EXAMPLES: Final = """\
examples:
  %(prog)s --error_type unknown_platform --edit 's/Windows Phone/Web/' --dry_run
  %(prog)s --error_type unknown_platform --edit 's/Windows Phone/Web/'
  %(prog)s --since 2025-06-01 --edit ./correct.py --summary_file replay.json
  %(prog)s --output letters.csv
  %(prog)s --input letters.csv
  %(prog)s --warehouse bigquery://project/dataset \\
      --temp_location gs://bucket/tmp --error_type too_late --stream_stopped
  %(prog)s --warehouse bigquery://project/dataset --edit ./correct.py \\
      --topic projects/P/topics/events

exit codes: 0 done, or nothing to do; 1 it failed, and unless the message says otherwise the tables
are as they were; 2 a wrong option; 130 interrupted by Ctrl-C
"""


def replay(options: argparse.Namespace, rest: list[str]) -> None:
    """Run the command.

    Args:
        options: the values of the options in `options.REPLAY`.
        rest: the other arguments, for Beam.

    Raises:
        OptionError: if an option can't be right.
        RunError, or a runner's error around it: if the run failed.
    """
    started_at = datetime.now(UTC).replace(tzinfo=None)
    given = beam_options.check(rest, [option.name for option in REPLAY])
    check_together(options)
    keep_freed_memory()
    # All that can be wrong with the options is found before Beam is imported, which takes a second.
    from pipeline.launch.runners import choose_runner
    from pipeline.replay.preconditions import check_tables, correcting, settle
    from pipeline.storage import check_storage
    from pipeline.warehouse import open_warehouse
    from transforms.marts.registry import ALL_TABLES, CORRECTIONS

    correct, corrected = correcting(options)
    warehouse = open_warehouse(options.warehouse)
    runner = choose_runner(given, warehouse)
    temp_location = given.get("temp_location")
    rebuilds = not (options.output or options.dry_run or options.topic)
    taken = [warehouse.location, options.input, options.output]
    summary_file.refuse_taken(options.summary_file, [path for path in taken if path])
    if rebuilds or warehouse.capabilities.workers_must_be_local:
        warehouse.check_staging(temp_location)
    check_storage([temp_location, options.summary_file], rest)
    summary_file.clear(options.summary_file)
    if rebuilds or warehouse.capabilities.workers_must_be_local:
        warehouse.check((*ALL_TABLES, CORRECTIONS), temp_location)
    check_tables(warehouse)
    active_types: Sequence[str] = EVENT_TYPES
    if rebuilds:
        warehouse, active_types = settle(warehouse, options)
    from pipeline.replay.actions import run_replay
    from pipeline.replay.replay_job import ReplayPlan
    from transforms.kernels.dead_letters import Selection

    selection = Selection(frozenset(options.error_type or ()), options.since)
    run_replay(
        ReplayPlan(
            options,
            rest,
            warehouse,
            active_types,
            runner,
            temp_location,
            started_at,
            selection,
            correct,
            corrected,
        )
    )


def check_together(options: argparse.Namespace) -> None:
    """Raise OptionError if options contradict each other."""
    for one, other, why in (
        ("edit", "input", "a letter is corrected by one of them"),
        ("output", "input", "the file is either written or read"),
        ("output", "edit", "letters are written out as they came"),
        ("output", "dry_run", "writing them out changes nothing"),
        ("output", "topic", "letters are either written out or published"),
        ("output", "summary_file", "writing them out replays nothing"),
    ):
        if getattr(options, one) and getattr(options, other):
            raise OptionError(f"--{one} and --{other} do not go together: {why}")
