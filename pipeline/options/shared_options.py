"""Every option of the pipeline, declared, documented and checked once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.options.option import Option, Parameter
from pipeline.options.option_values import (
    BIGQUERY_URL,
    ERROR_TYPE,
    GCS_FILE,
    GCS_FILES,
    LOCATION,
    PERCENTAGE,
    SWITCH,
    corrected_file,
    listed,
    local_file,
    matching,
    moment,
    new_csv_file,
    number,
    one_of,
    output_file,
    resource,
    sample_file,
    whole,
)
from pipeline.paths import from_home
from transforms.vocabulary import EVENT_TYPES

MAX_USER_SHARDS: Final = 65_536
LATE_HORIZON_DAYS: Final = 7

# Headings of a Flex Template's parameters.
_SOURCE: Final = "Source"
_TABLES: Final = "Tables"
_FIGURES: Final = "Figures"
_LIMITS: Final = "Limits"
_LOAD: Final = "Load"

_INPUT: Final = Option(
    "input",
    "CSV files (.csv, .csv.gz): one or more paths or globs, local or gs://; quote globs, so "
    "that the shell leaves them alone",
    "GLOB",
    from_home,
    many=True,
    parameter=Parameter(
        "Input files",
        _SOURCE,
        "CSV files (.csv, .csv.gz) of events: one or more paths or globs on gs://, "
        "comma-separated; a comma in a name is written as ?",
        matching(GCS_FILES, "is no comma-separated list of gs://bucket/path"),
        required=True,
    ),
)

_WAREHOUSE: Final = Option(
    "warehouse",
    "where the tables live, as a SQLAlchemy URL: duckdb:///relative/path.duckdb, "
    "duckdb:////absolute/path.duckdb or bigquery://project/dataset (default: "
    "duckdb:///growth.duckdb)",
    "URL",
    default="duckdb:///growth.duckdb",
    parameter=Parameter(
        "BigQuery dataset",
        _TABLES,
        "where the tables live: bigquery://project/dataset",
        matching(BIGQUERY_URL, "is not like bigquery://project/dataset"),
        required=True,
    ),
)

_QUALITY: Final = Option(
    "quality",
    "what a failed check of the tables does: enforce commits none of them, warn commits and "
    "reports, off checks nothing (default: enforce)",
    "enforce|warn|off",
    one_of("enforce", "warn", "off"),
    default="enforce",
    parameter=Parameter("What a failed check does", _LIMITS),
)

_LOCATION: Final = Option(
    "location",
    "BigQuery: where a missing dataset is created, e.g. EU or us-east1; one that exists must "
    "lie there (default: US, or wherever it lies)",
    "PLACE",
    LOCATION,
    parameter=Parameter("Location of the dataset", _TABLES),
)

_PARTITION_FILTER: Final = Option(
    "require_partition_filter",
    "BigQuery: queries of fct_events must say which event_dates they read, so that nobody "
    "pays for reading all of it by mistake (default: as it is; false for a new table)",
    "true|false",
    SWITCH,
    bare=True,
    parameter=Parameter("Require a partition filter on fct_events", _TABLES),
)

_ACTIVE_TYPES: Final = Option(
    "active_event_types",
    "the event types that make a user active on a date or in a month, comma-separated; "
    f"sessions, totals and miles always count all (default: {','.join(EVENT_TYPES)})",
    "TYPES",
    listed(EVENT_TYPES),
    default=EVENT_TYPES,
    parameter=Parameter("Event types that make a user active", _FIGURES),
)

_MAX_FUTURE: Final = Option(
    "max_future_minutes",
    "how far ahead of now an event time may be, in minutes: one fast clock would otherwise open "
    "tomorrow, with everybody churned in it; a later one is a dead letter "
    "(event_time_out_of_range), which passes in a replay when its time has come (default: 60)",
    "MINUTES",
    whole(0, 527_040),
    default=60,
    parameter=Parameter("Minutes that event times may be ahead", _LIMITS),
)

_USER_SHARDS: Final = Option(
    "user_shards",
    "into how many shards users are split; a worker holds two or three in memory (default: "
    "one for every 12 MB of CSV, 1,024 at most)",
    "N",
    whole(1, MAX_USER_SHARDS),
    parameter=Parameter("User shards", _LOAD),
)

_SUMMARY_FILE: Final = Option(
    "summary_file",
    "write the run's summary to this file as JSON, local or gs://; - is stdout, and what is "
    "printed there otherwise goes to stderr then; an earlier run's file is removed first",
    "FILE",
    output_file,
    parameter=Parameter(
        "Summary file",
        _TABLES,
        "write the run's summary to this file on gs:// as JSON",
        matching(GCS_FILE, "is not like gs://bucket/file", "GCS_WRITE_FILE"),
    ),
)

BATCH: Final = (
    _INPUT,
    _WAREHOUSE,
    _LOCATION,
    _PARTITION_FILTER,
    _USER_SHARDS,
    _ACTIVE_TYPES,
    Option(
        "max_dead_letter_pct",
        "the share of input rows that may be dead letters, in percent; above it the run fails "
        "and no table is touched (default: 50)",
        "PCT",
        PERCENTAGE,
        default=50.0,
        parameter=Parameter("Most dead letters, in percent", _LIMITS),
    ),
    Option(
        "max_shrink_pct",
        "how much less of the history a run may leave than the tables hold, in percent of the "
        "events, the users or the dates; a run that would leave less, or that read no row where "
        "the tables hold some, fails and no table is touched (default: 10)",
        "PCT",
        PERCENTAGE,
        default=10.0,
        parameter=Parameter("Most that may be lost, in percent", _LIMITS),
    ),
    Option(
        "allow_shrink",
        "replace the tables however much less the run would leave, even nothing (default: false)",
        "true|false",
        SWITCH,
        default=False,
        bare=True,
        parameter=Parameter("Allow that history is lost", _LIMITS),
    ),
    _MAX_FUTURE,
    _QUALITY,
    _SUMMARY_FILE,
)

CHECK: Final = (
    _WAREHOUSE,
    Option(
        "active_event_types",
        "what the tables were built with; the users of all cohorts are those whom such events made "
        "active (default: what the warehouse has noted, or all five)",
        "TYPES",
        listed(EVENT_TYPES),
    ),
)

DOCS: Final = (
    Option(
        "output",
        "the Markdown file to write (default: docs/tables.md)",
        "FILE",
        local_file,
        default="docs/tables.md",
    ),
)

SAMPLE: Final = (
    Option(
        "events",
        "how many rows, broken and repeated ones included (default: 200,000)",
        "N",
        whole(0, None),
        default=200_000,
    ),
    Option(
        "output",
        "the file to write, .csv or .csv.gz; its folder is created (default: sample/events.csv)",
        "FILE",
        sample_file,
        default="sample/events.csv",
    ),
    Option(
        "seed",
        "another seed makes another sample; the same one makes the same bytes (default: 7)",
        "N",
        whole(0, None),
        default=7,
    ),
)

STREAM: Final = (
    Option(
        "subscription",
        "the Pub/Sub subscription to read: projects/P/subscriptions/S",
        "NAME",
        resource("subscriptions", "PUBSUB_SUBSCRIPTION"),
        parameter=Parameter("Pub/Sub subscription", _SOURCE, required=True),
    ),
    _WAREHOUSE,
    _LOCATION,
    _PARTITION_FILTER,
    _ACTIVE_TYPES,
    Option(
        "late_horizon_days",
        "how late an event may come, in days; a later one is a dead letter (too_late), and events "
        f"are known as repeated for so long (default: {LATE_HORIZON_DAYS})",
        "DAYS",
        whole(1, 3_650),
        default=LATE_HORIZON_DAYS,
        parameter=Parameter("Late horizon, in days", _LIMITS),
    ),
    _MAX_FUTURE,
    Option(
        "flush_seconds",
        "how often the tables are brought up to date; an event is in all of them within two of "
        "these; for BigQuery 60 or more keep within its 1,500 jobs a table and day (default: 60)",
        "SECONDS",
        number(1, "a number of seconds, 1 or more"),
        default=60.0,
        parameter=Parameter("Flush interval, in seconds", _LOAD),
    ),
    Option(
        "continues",
        "the job takes the place of the one that keeps the tables true and goes on with its state: "
        "true with Beam's --update, where the tables are not empty (default: false)",
        "true|false",
        SWITCH,
        default=False,
        bare=True,
        parameter=Parameter("Takes over from a running job", _LOAD),
    ),
    Option(
        "quality",
        "what becomes of checks: warn evaluates at each flush those that it can answer and reports "
        "what fails, off none; a stream is never stopped by them (default: warn)",
        "warn|off",
        one_of("warn", "off"),
        default="warn",
        parameter=Parameter("What becomes of checks", _LIMITS),
    ),
    Option(
        "dead_letter_topic",
        "publish dead letters to this topic too: projects/P/topics/T",
        "NAME",
        resource("topics", "PUBSUB_TOPIC"),
        parameter=Parameter("Topic for dead letters", _LIMITS),
    ),
)

PUBLISH: Final = (
    replace(_INPUT, help="CSV files on this machine (.csv, .csv.gz): one or more paths or globs"),
    Option(
        "topic",
        "the Pub/Sub topic to publish to: projects/P/topics/T",
        "NAME",
        resource("topics", "PUBSUB_TOPIC"),
    ),
    Option(
        "speed",
        "how much faster than life: 60 publishes an hour of events in a minute; 0 as fast as it "
        "goes (default: 0)",
        "FACTOR",
        number(0, "a number, 0 or more"),
        default=0.0,
    ),
    Option(
        "shuffle_seconds",
        "delay each event by up to so many seconds of its own time, at random (default: 0)",
        "SECONDS",
        number(0, "a number of seconds, 0 or more"),
        default=0.0,
    ),
    Option(
        "repeat_pct",
        "publish so many percent of the events a second time (default: 0)",
        "PCT",
        PERCENTAGE,
        default=0.0,
    ),
    Option(
        "seed",
        "another seed delays and repeats other events (default: 7)",
        "N",
        whole(0, None),
        default=7,
    ),
)

REPLAY: Final = (
    _WAREHOUSE,
    Option(
        "error_type",
        "take only dead letters of these types: one or more, e.g. bad_country (default: all)",
        "TYPE",
        ERROR_TYPE,
        many=True,
    ),
    Option(
        "since",
        "take only dead letters that failed at this date or time (UTC) or later",
        "DATE",
        moment,
    ),
    Option(
        "edit",
        "correct the records: an expression for sed, or the path of an executable file, which is "
        "run with your rights: it reads them on stdin, one a line, and writes as many to stdout",
        "SED_OR_FILE",
    ),
    Option(
        "output",
        "write the dead letters into this file instead, to be corrected by hand",
        "FILE.csv",
        new_csv_file,
    ),
    Option("input", "read the corrected file of --output back", "FILE.csv", corrected_file),
    Option(
        "dry_run",
        "show what would happen, and write nothing",
        "true|false",
        SWITCH,
        default=False,
        bare=True,
    ),
    Option(
        "topic",
        "publish the corrected records to this topic, for the stream that keeps the tables, "
        "instead of rebuilding them: projects/P/topics/T",
        "NAME",
        resource("topics", "PUBSUB_TOPIC"),
    ),
    Option(
        "stream_stopped",
        "BigQuery: the stream that wrote the tables last is stopped for good, so that they can be "
        "rebuilt",
        "true|false",
        SWITCH,
        default=False,
        bare=True,
    ),
    replace(
        _ACTIVE_TYPES,
        help="the event types that make a user active; needed only where the warehouse does not "
        "say with which its tables were built, and refused where it says otherwise",
        default=None,
    ),
    _MAX_FUTURE,
    _USER_SHARDS,
    _QUALITY,
    _SUMMARY_FILE,
)
