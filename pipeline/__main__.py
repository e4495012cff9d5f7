"""The command line: `python -m pipeline COMMAND ...`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from pipeline import __version__, beam_options
from pipeline.errors import OptionError, RunError, clear_message
from pipeline.memory import keep_freed_memory
from pipeline.option import Parser, declare
from pipeline.options import BATCH, CHECK, DOCS, PUBLISH, REPLAY, SAMPLE, STREAM
from pipeline.replay import EXAMPLES as REPLAY_EXAMPLES
from pipeline.replay import HELP as REPLAY_HELP
from pipeline.replay import replay
from transforms.vocabulary import EVENT_TYPES, PLATFORMS, SOURCE_COLUMNS

_BATCH_HELP: Final = f"""\
Turn CSV files of raw user events into eleven analytics tables.

The files need a header with these columns, in any order; others are ignored:

  event_time            ISO 8601, UTC unless it has an offset: 2025-01-31T12:34:56.789Z
  user_id               anything but blank
  event_type            {", ".join(EVENT_TYPES)}
  transaction_category  any, may be empty
  miles_amount          a whole number; needed by miles_earned and miles_redeemed
  platform              {", ".join(PLATFORMS)}
  utm_source            any, may be empty
  country               two letters, may be empty

Rows that are equal in all of them are one event. Rows that break a rule go to the table
dead_letter_events, with the reason and the row itself; nothing is lost:

  input rows = fct_events + duplicates + dead letters

Before a commit the tables are checked (docs/tables.md lists what they must keep); a failed check
leaves them as they were, and data_quality_results holds the results of every run.

Every run replaces all other tables: a DuckDB file's at once or, if the run fails, none; BigQuery's,
once all data is loaded, side by side, each of them at once.
"""

_BATCH_EXAMPLES: Final = """\
examples:
  python -m pipeline batch --input 'events/*.csv'
  python -m pipeline batch --input 2024.csv.gz 'gs://bucket/2025/*.csv' \\
      --warehouse duckdb:////data/growth.duckdb --summary_file run.json
  python -m pipeline batch --input big.csv --active_event_types miles_earned,miles_redeemed
  python -m pipeline batch --input big.csv --direct_num_workers 4 \\
      --direct_running_mode multi_processing
  python -m pipeline batch --input 'gs://bucket/events/*.csv' \\
      --warehouse bigquery://project/dataset --temp_location gs://bucket/tmp

Apache Beam's own options go here too (--runner, --temp_location ...). The default runner is
FnApiRunner, one process on this machine. Staged files go beside a DuckDB warehouse, or below
--temp_location, which BigQuery needs on gs://.

exit codes: 0 done; 1 the run failed, and unless the message says otherwise the tables are as they
were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

_STREAM_HELP: Final = """\
Keep the same tables true from Pub/Sub messages, near real time.

A message is a JSON object with the columns of `batch` as fields or, where its attribute
content_type is text/csv, one CSV record of them in order. Late, repeated and out-of-order events
end in the figures that batch would compute. The warehouse must be empty when the stream begins.

On this machine the stream runs until Ctrl-C or SIGTERM: then it reads no more, flushes what it has
read, and prints a summary; a second Ctrl-C leaves at once, and what was not flushed is delivered
anew.
"""

_STREAM_EXAMPLES: Final = """\
examples:
  python -m pipeline stream --subscription projects/P/subscriptions/S \\
      --warehouse duckdb:///live.duckdb --flush_seconds 10
  python -m pipeline stream --subscription projects/P/subscriptions/S \\
      --warehouse bigquery://P/dataset --temp_location gs://B/tmp \\
      --runner DataflowRunner --project P --region R --enable_streaming_engine
"""

_PUBLISH_HELP: Final = """\
Replay CSV files as Pub/Sub messages, in the order of their event times, for demos and tests.
Records that can't be read are published as they are, as text/csv.
"""

_CHECK_HELP: Final = """\
Check tables that are there already, by SQL that the warehouse runs: nothing is downloaded but
counts and some keys of rows that fail, and nothing is written. A batch run evaluates the same
checks before it commits. docs/tables.md lists them beside the columns.
"""

_CHECK_EXAMPLES: Final = """\
examples:
  python -m pipeline check
  python -m pipeline check --warehouse bigquery://project/dataset

exit codes: 0 no check of severity error failed; 1 one did, or the tables can't be read; 2 a wrong
option
"""

_DOCS_HELP: Final = """\
Write the data dictionary as Markdown: tables, columns, types, partitions, keys and checks, from the
same contract that makes the tables.
"""

_SAMPLE_HELP: Final = f"""\
Write a lifelike sample of raw events as CSV: users arrive, form habits, churn and come back;
about one row in a thousand is broken or repeated. Columns: {", ".join(SOURCE_COLUMNS)}.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser, commands = _parsers()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    known, rest = parser.parse_known_args(arguments)
    command: Parser = commands[known.command]
    try:
        run: Callable[[argparse.Namespace, list[str], list[str]], None] = known.run
        run(known, rest, arguments[1:])
    except OptionError as error:
        command.error(str(error))
    except KeyboardInterrupt:
        print(f"\n{command.prog}: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        message = clear_message(error)
        if message is None:
            raise
        print(f"{command.prog}: {message}", file=sys.stderr)
        return 1
    return 0


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="python -m pipeline",
        description="Raw user events in, eleven growth tables out.\n\n"
        "`python -m pipeline COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    batch = commands.add_parser(
        "batch",
        help="CSV files to all tables",
        description=_BATCH_HELP,
        epilog=_BATCH_EXAMPLES,
    )
    declare(batch, BATCH)
    batch.set_defaults(run=_batch)
    stream = commands.add_parser(
        "stream",
        help="Pub/Sub messages to all tables",
        description=_STREAM_HELP,
        epilog=_STREAM_EXAMPLES,
    )
    declare(stream, STREAM)
    stream.set_defaults(run=_stream)
    again = commands.add_parser(
        "replay",
        help="dead letters mended and tried again",
        description=REPLAY_HELP,
        epilog=REPLAY_EXAMPLES,
    )
    declare(again, REPLAY)
    again.set_defaults(run=_replay)
    check = commands.add_parser(
        "check",
        help="tables that are there: do they keep their checks?",
        description=_CHECK_HELP,
        epilog=_CHECK_EXAMPLES,
    )
    declare(check, CHECK)
    check.set_defaults(run=_check)
    docs = commands.add_parser(
        "docs", help="the data dictionary as Markdown", description=_DOCS_HELP
    )
    declare(docs, DOCS)
    docs.set_defaults(run=_docs)
    publish = commands.add_parser(
        "publish", help="CSV files to Pub/Sub messages", description=_PUBLISH_HELP
    )
    declare(publish, PUBLISH)
    publish.set_defaults(run=_publish)
    sample = commands.add_parser("sample", help="a sample of events", description=_SAMPLE_HELP)
    declare(sample, SAMPLE)
    sample.set_defaults(run=_sample)
    return parser, dict(commands.choices)


def _batch(options: argparse.Namespace, rest: list[str], arguments: list[str]) -> None:
    started_at = datetime.now(UTC).replace(tzinfo=None)
    given = beam_options.check(rest, [option.name for option in BATCH])
    if not options.input:
        raise OptionError("--input is missing: give one or more CSV files or globs")
    keep_freed_memory()
    # All that can be wrong with the options is found before Beam is imported, which takes a second.
    from pipeline.dry_run import dry_run_of
    from pipeline.inputs import check_summary_file, find_inputs, unseen_inputs
    from pipeline.runners import choose_runner
    from pipeline.storage import check_storage
    from pipeline.warehouse import WarehouseOptions, open_warehouse
    from transforms.marts.registry import ALL_TABLES

    warehouse = open_warehouse(
        options.warehouse,
        WarehouseOptions(
            options.location, options.require_partition_filter, options.active_event_types
        ),
    )
    runner = choose_runner(given, warehouse)
    dry_run = dry_run_of(given, runner)
    warehouse = dry_run.guard(warehouse)
    temp_location = given.get("temp_location")
    warehouse.check(ALL_TABLES, temp_location)
    if dry_run.offline:
        files = unseen_inputs(options.input)
    else:
        check_storage([*options.input, temp_location, options.summary_file], rest)
        files = find_inputs(options.input)
    check_summary_file(options.summary_file, [warehouse.location, *(file.path for file in files)])
    from pipeline.launch import BatchPlan, run_batch

    signal.signal(signal.SIGINT, _leave_at_once("batch"))
    # A template's launcher writes the job down, and Dataflow starts it.
    waits = not dry_run.asked and "template_location" not in given
    run_batch(
        BatchPlan(options, arguments, files, warehouse, runner, temp_location, started_at, waits)
    )
    dry_run.tell()


def _stream(options: argparse.Namespace, rest: list[str], arguments: list[str]) -> None:
    started_at = datetime.now(UTC).replace(tzinfo=None)
    given = beam_options.check(rest, [option.name for option in STREAM])
    if not options.subscription:
        raise OptionError("--subscription is missing: name one of Pub/Sub")
    from pipeline.dry_run import dry_run_of
    from pipeline.runners import choose_streaming_runner
    from pipeline.storage import check_storage
    from pipeline.warehouse import WarehouseOptions, open_warehouse
    from transforms.marts.registry import ALL_TABLES

    warehouse = open_warehouse(
        options.warehouse,
        WarehouseOptions(
            options.location, options.require_partition_filter, options.active_event_types
        ),
    )
    runner = choose_streaming_runner(given, warehouse)
    dry_run = dry_run_of(given, runner)
    warehouse = dry_run.guard(warehouse)
    temp_location = given.get("temp_location")
    warehouse.check(ALL_TABLES, temp_location)
    from pipeline.pubsub import check_subscription, check_topic
    from pipeline.stream_launch import StreamPlan, refuse_warm, run_stream

    if not dry_run.offline:
        check_storage([temp_location], rest)
        check_subscription(options.subscription)
        if options.dead_letter_topic is not None:
            check_topic(options.dead_letter_topic)
    updates = "update" in given
    if updates and runner.local:
        raise OptionError("--update is for jobs on Dataflow: a stream on this machine begins anew")
    if not updates:  # An updated job keeps the state behind its tables.
        refuse_warm(warehouse)
    run_stream(
        StreamPlan(options, arguments, warehouse, runner, temp_location, started_at, updates)
    )
    dry_run.tell()


def _publish(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in PUBLISH]))
    if not options.input or not options.topic:
        raise OptionError("--input and --topic are needed: CSV files, and a topic of Pub/Sub")
    from pipeline.inputs import find_inputs
    from pipeline.publish import Replay, publish

    paths = [file.path for file in find_inputs(options.input)]
    replay = Replay(options.speed, options.shuffle_seconds, options.repeat_pct, options.seed)
    published = publish(paths, options.topic, replay)
    print(f"{published:,} messages published to {options.topic}")


def _replay(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    signal.signal(signal.SIGINT, _leave_at_once("replay"))
    replay(options, rest)


def _check(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in CHECK]))
    from pipeline.check import check
    from pipeline.warehouse import open_warehouse

    check(open_warehouse(options.warehouse), options)


def _docs(options: argparse.Namespace, rest: list[str], _: list[str]) -> None:
    if rest:
        raise OptionError(beam_options.unknown(rest[0], [option.name for option in DOCS]))
    from pipeline.docs import write_docs

    write_docs(options.output)
    print(f"{options.output}: written")


def _leave_at_once(command: str) -> Callable[..., None]:
    """Ctrl-C ends the process as a kill would, which the warehouse stands: unwinding a runner and
    its threads takes long and may never end. The next run clears what is left behind."""

    def leave(*_: object) -> None:
        print(
            f"\npython -m pipeline {command}: interrupted. Each table is as it was or, where the "
            "run had come so far, replaced: never in between. The next run clears what this one "
            "staged",
            file=sys.stderr,
            flush=True,
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
    print(
        f"{report.path}: {report.rows:,} rows of {report.users:,} users, "
        f"{report.broken:,} broken and {report.repeated:,} repeated"
    )


if __name__ == "__main__":
    sys.exit(main())
