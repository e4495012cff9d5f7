"""What `python -m pipeline COMMAND --help` says beside the options."""

from __future__ import annotations

from typing import Final

from transforms.vocabulary import EVENT_TYPES, PLATFORMS, SOURCE_COLUMNS

BATCH_HELP: Final = f"""\
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

BATCH_EXAMPLES: Final = """\
examples:
  %(prog)s --input 'events/*.csv'
  %(prog)s --input 2024.csv.gz 'gs://bucket/2025/*.csv' \\
      --warehouse duckdb:////data/growth.duckdb --summary_file run.json
  %(prog)s --input big.csv --active_event_types miles_earned,miles_redeemed
  %(prog)s --input big.csv --direct_num_workers 4 \\
      --direct_running_mode multi_processing
  %(prog)s --input 'gs://bucket/events/*.csv' \\
      --warehouse bigquery://project/dataset --temp_location gs://bucket/tmp

Apache Beam's own options go here too (--runner, --temp_location ...). The default runner is
FnApiRunner, one process on this machine. Staged files go beside a DuckDB warehouse, or below
--temp_location, which BigQuery needs on gs://.

exit codes: 0 done; 1 the run failed, and unless the message says otherwise the tables are as they
were; 2 a wrong option; 130 interrupted by Ctrl-C
"""

STREAM_HELP: Final = """\
Keep the same tables true from Pub/Sub messages, near real time.

A message is a JSON object with the columns of `batch` as fields or, where its attribute
content_type is text/csv, one CSV record of them in order. Late, repeated and out-of-order events
end in the figures that batch would compute. The warehouse must be empty when the stream begins.

On this machine the stream runs until Ctrl-C or SIGTERM: then it reads no more, flushes what it has
read, and prints a summary; a second Ctrl-C leaves at once, and what was not flushed is delivered
anew.
"""

STREAM_EXAMPLES: Final = """\
examples:
  %(prog)s --subscription projects/P/subscriptions/S \\
      --warehouse duckdb:///live.duckdb --flush_seconds 10
  %(prog)s --subscription projects/P/subscriptions/S \\
      --warehouse duckdb:///live.duckdb --late_horizon_days 3650   # events of past years
  %(prog)s --subscription projects/P/subscriptions/S \\
      --warehouse bigquery://P/dataset --temp_location gs://B/tmp \\
      --runner DataflowRunner --project P --region R --enable_streaming_engine

The line of a flush says what became of all messages so far, dead letters by their reasons; a
warning says so where they are more than a tenth, with an example and the way out.
"""

PUBLISH_HELP: Final = """\
Replay CSV files as Pub/Sub messages, in the order of their event times, for demos and tests.
Records that can't be read are published as they are, as text/csv.

Event times stay as they are: a stream takes those of the last --late_horizon_days, 7 by default.
"""

PUBLISH_EXAMPLES: Final = """\
examples:
  %(prog)s --input sample/events.csv --topic projects/P/topics/T
  %(prog)s --input 'events/*.csv' --topic projects/P/topics/T \\
      --speed 3600 --shuffle_seconds 3600 --repeat_pct 5   # an hour in a second, disturbed

PUBSUB_EMULATOR_HOST leads it to an emulator.
"""

CHECK_HELP: Final = """\
Check tables that are there already, by SQL that the warehouse runs: nothing is downloaded but
counts and some keys of rows that fail, and nothing is written. A batch run evaluates the same
checks before it commits. docs/tables.md lists them beside the columns.
"""

CHECK_EXAMPLES: Final = """\
examples:
  %(prog)s
  %(prog)s --warehouse bigquery://project/dataset

exit codes: 0 no check of severity error failed; 1 one did, or the tables can't be read; 2 a wrong
option
"""

DOCS_HELP: Final = """\
Write the data dictionary as Markdown: tables, columns, types, partitions, keys and checks, from the
same contract that makes the tables.
"""

SAMPLE_HELP: Final = f"""\
Write a lifelike sample of raw events as CSV: users arrive, form habits, churn and come back;
about one row in a thousand is broken or repeated. Columns: {", ".join(SOURCE_COLUMNS)}.
"""
