"""The command line: `python -m pipeline COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pipeline import __version__
from pipeline.allocator import keep_freed_memory
from pipeline.commands import help_pages
from pipeline.commands.replay import EXAMPLES as REPLAY_EXAMPLES
from pipeline.commands.replay import HELP as REPLAY_HELP
from pipeline.commands.replay import replay
from pipeline.errors import OptionError, RunError, clear_message
from pipeline.options import beam_options
from pipeline.options.option import Parser, declare
from pipeline.options.shared_options import BATCH, CHECK, DOCS, PUBLISH, REPLAY, SAMPLE, STREAM
from pipeline.paths import typed_program
from pipeline.terminal import say, steady_streams, tell

if TYPE_CHECKING:
    from pipeline.warehouse import Warehouse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    with steady_streams():
        return _run(sys.argv[1:] if arguments is None else list(arguments))


def _run(arguments: list[str]) -> int:
    parser, commands = _parsers()
    known, rest = parser.parse_known_args(arguments)
    command: Parser = commands[known.command]
    try:
        run: Callable[[argparse.Namespace, list[str], list[str]], None] = known.run
        run(known, rest, arguments[1:])
    except OptionError as error:
        command.error(str(error))
    except KeyboardInterrupt:
        tell(f"\n{command.prog}: interrupted")
        return 130
    except Exception as error:
        message = clear_message(error)
        # A bug: its traceback may quote data as well.
        tell(f"{command.prog}: {message}" if message else _traceback(error))
        return 1
    return 0


def _keep_to_owner() -> None:
    """Let nobody but the owner read what this process and its workers create: it is about people.

    Files that are there keep their mode.
    """
    os.umask(os.umask(0o077) | 0o077)


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog=typed_program(),
        description="Raw user events in, eleven growth tables out.\n\n"
        "`%(prog)s COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, line, run, options, page, examples in _COMMANDS:
        command = commands.add_parser(name, help=line, description=page, epilog=examples)
        declare(command, options)
        command.set_defaults(run=run)
    return parser, dict(commands.choices)


def _opened(options: argparse.Namespace) -> Warehouse:
    """The warehouse that a run is to write, and what it notes there."""
    from pipeline.warehouse import WarehouseOptions, open_warehouse

    return open_warehouse(
        options.warehouse,
        WarehouseOptions(
            options.location, options.require_partition_filter, options.active_event_types
        ),
    )


def _batch(options: argparse.Namespace, rest: list[str], arguments: list[str]) -> None:
    started_at = datetime.now(UTC).replace(tzinfo=None)
    given = beam_options.check(rest, [option.name for option in BATCH])
    if not options.input:
        raise OptionError("--input is missing: give one or more CSV files or globs")
    _keep_to_owner()
    keep_freed_memory()
    # All that can be wrong with the options is found before Beam is imported, which takes a second.
    from pipeline.inputs.listing import find_inputs, unseen_inputs
    from pipeline.launch import summary_file
    from pipeline.launch.dry_run import dry_run_of
    from pipeline.launch.runners import choose_runner, refuse_local_input, refuse_lost
    from pipeline.storage import check_storage
    from transforms.marts.registry import ALL_TABLES, CORRECTIONS

    warehouse = _opened(options)
    runner = choose_runner(given, warehouse)
    dry_run = dry_run_of(given, runner)
    temp_location = given.get("temp_location")
    # A template's launcher writes the job down, and Dataflow starts it.
    waits = not dry_run.asked and "template_location" not in given
    refuse_lost(options.summary_file, waits or dry_run.asked)
    summary_file.refuse_taken(options.summary_file, [warehouse.location], options.input)
    refuse_local_input(options.input, runner)
    warehouse.check_staging(temp_location)
    if not dry_run.offline:
        check_storage([*options.input, temp_location, options.summary_file], rest)
    if not dry_run.asked:
        summary_file.clear(options.summary_file)
    dry_run.check(warehouse, (*ALL_TABLES, CORRECTIONS), temp_location)
    files = unseen_inputs(options.input) if dry_run.offline else find_inputs(options.input)
    from pipeline.launch.batch_launch import BatchPlan, run_batch

    signal.signal(signal.SIGINT, _leave_at_once("batch"))
    run_batch(
        BatchPlan(
            *(options, arguments, files, warehouse, runner),
            *(temp_location, started_at, waits, dry_run),
        )
    )
    dry_run.tell()


def _stream(options: argparse.Namespace, rest: list[str], arguments: list[str]) -> None:
    started_at = datetime.now(UTC).replace(tzinfo=None)
    given = beam_options.check(rest, [option.name for option in STREAM])
    if not options.subscription:
        raise OptionError("--subscription is missing: name one of Pub/Sub")
    _keep_to_owner()
    from pipeline.launch.dry_run import dry_run_of
    from pipeline.launch.runners import choose_streaming_runner
    from pipeline.storage import check_storage
    from transforms.marts.registry import ALL_TABLES

    warehouse = _opened(options)
    runner = choose_streaming_runner(given, warehouse)
    dry_run = dry_run_of(given, runner)
    temp_location = given.get("temp_location")
    dry_run.check(warehouse, ALL_TABLES, temp_location)
    from pipeline.launch.stream_launch import StreamPlan, refuse_warm, run_stream
    from pipeline.pubsub.resources import check_subscription, check_topic

    if not dry_run.offline:
        check_storage([temp_location], rest)
        check_subscription(options.subscription)
        if options.dead_letter_topic is not None:
            check_topic(options.dead_letter_topic)
    # Whether a template's launcher hands --update to this process nobody promises.
    updates = options.continues or "update" in given
    if updates and runner.local:
        raise OptionError(
            "--update and --continues are for jobs on Dataflow: a stream here begins anew"
        )
    # An updated job keeps the state behind its tables; a stream here looks once it holds them.
    reader = dry_run.reader(warehouse)
    if not updates and not runner.local and reader is not None:
        refuse_warm(reader)
    run_stream(
        StreamPlan(
            *(options, arguments, warehouse, runner),
            *(temp_location, started_at, updates, dry_run),
        )
    )
    dry_run.tell()


def _publish(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in PUBLISH]))
    if not options.input or not options.topic:
        raise OptionError("--input and --topic are needed: CSV files, and a topic of Pub/Sub")
    for path in options.input:
        if "://" in path:
            raise OptionError(f"--input {path}: publish reads files on this machine; copy it here")
    from pipeline.inputs.listing import find_inputs
    from pipeline.pubsub.publishing import Replay, publish

    paths = [file.path for file in find_inputs(options.input)]
    replay = Replay(options.speed, options.shuffle_seconds, options.repeat_pct, options.seed)
    published = publish(paths, options.topic, replay)
    say(f"{published:,} messages published to {options.topic}")


def _replay(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    signal.signal(signal.SIGINT, _leave_at_once("replay"))
    _keep_to_owner()
    replay(options, rest)


def _check(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in CHECK]))
    from pipeline.commands.check import check
    from pipeline.warehouse import open_warehouse

    check(open_warehouse(options.warehouse), options)


def _docs(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in DOCS]))
    from pipeline.dictionary.data_dictionary import write_docs

    try:
        write_docs(options.output)
    except OSError as error:
        raise RunError(f"can't write {options.output}: {error.strerror}") from error
    say(f"{options.output}: written")


def _leave_at_once(command: str) -> Callable[..., None]:
    """Ctrl-C ends the process as a kill would, which the warehouse stands: unwinding a runner and
    its threads takes long and may never end. The next run clears what is left behind."""

    def leave(*_: object) -> None:
        tell(
            f"\n{typed_program()} {command}: interrupted. Each table is as it was or, where the "
            "run had come so far, replaced: never in between. The next run clears what this one "
            "staged"
        )
        os._exit(130)

    return leave


def _sample(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in SAMPLE]))
    from pipeline.sample import write_sample

    try:
        report = write_sample(options.output, options.events, options.seed)
    except OSError as error:
        raise RunError(f"can't write {options.output}: {error.strerror}") from error
    say(
        f"{report.path}: {report.rows:,} rows of {report.users:,} users, "
        f"{report.broken:,} broken and {report.repeated:,} repeated"
    )


# Name, one line, what runs, options, help page, examples.
_COMMANDS: Final = (
    (
        "batch",
        "CSV files to all tables",
        _batch,
        BATCH,
        help_pages.BATCH_HELP,
        help_pages.BATCH_EXAMPLES,
    ),
    (
        "stream",
        "Pub/Sub messages to all tables",
        _stream,
        STREAM,
        help_pages.STREAM_HELP,
        help_pages.STREAM_EXAMPLES,
    ),
    (
        "replay",
        "dead letters corrected and tried again",
        _replay,
        REPLAY,
        REPLAY_HELP,
        REPLAY_EXAMPLES,
    ),
    (
        "check",
        "tables that are there: do they keep their checks?",
        _check,
        CHECK,
        help_pages.CHECK_HELP,
        help_pages.CHECK_EXAMPLES,
    ),
    ("docs", "the data dictionary as Markdown", _docs, DOCS, help_pages.DOCS_HELP, None),
    (
        "publish",
        "CSV files to Pub/Sub messages",
        _publish,
        PUBLISH,
        help_pages.PUBLISH_HELP,
        help_pages.PUBLISH_EXAMPLES,
    ),
    ("sample", "a sample of events", _sample, SAMPLE, help_pages.SAMPLE_HELP, None),
)


if __name__ == "__main__":
    sys.exit(main())
