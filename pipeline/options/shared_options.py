"""Options that more than one command takes, each declared, documented and checked once."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pipeline.errors import OptionError
from pipeline.google_names import BIGQUERY_URL
from pipeline.options.beam_options import BeamArguments
from pipeline.options.option import Option, Parameter
from pipeline.options.option_values import (
    GCS_FILE,
    GCS_FILES,
    PERCENTAGE,
    SWITCH,
    ZONE,
    Values,
    matching,
    number,
    one_of,
    output_file,
    whole,
)
from pipeline.options.option_values import (
    LOCATION as LOCATIONS,
)
from pipeline.paths import from_home
from pipeline.webhook import Webhook
from transforms.figure_settings import AskedFigures
from transforms.rules.presets import PRESETS
from transforms.vocabulary import EVENT_TYPES

MAX_USER_SHARDS: Final = 65_536
LATE_HORIZON_DAYS: Final = 7

Quality: TypeAlias = Literal["enforce", "warn", "off"]

# Headings of a Flex Template's parameters.
SOURCE: Final = "Source"
TABLES: Final = "Tables"
FIGURES: Final = "Figures"
LIMITS: Final = "Limits"
LOAD: Final = "Load"

# A parameter of a job is shown to everybody who may see the job, and its launcher leaves before the
# run ends.
_NO_PARAMETER: Final = Parameter(is_offered=False)

INPUT: Final = Option(
    "CSV files (.csv, .csv.gz), with --rules also JSON lines, JSON and Parquet: one or more paths "
    "or globs, local or gs://; quote globs, so that the shell leaves them alone",
    "GLOB",
    from_home,
    many=True,
    parameter=Parameter(
        "Input files",
        SOURCE,
        "CSV files (.csv, .csv.gz) of events, with rules also JSON lines, JSON and Parquet: one or "
        "more paths or globs on gs://, comma-separated; a comma in a name is written as ?",
        matching(GCS_FILES, "is no comma-separated list of gs://bucket/path"),
        required=True,
    ),
)

RULES: Final = Option(
    "a file of rules (TOML, docs/rules.md), local or gs://, that says what the files are and which "
    "of their columns and values mean what; none reads CSV files with the columns above as they "
    "are (default: the rules that the tables were built with, or none)",
    "FILE|none",
    from_home,
    parameter=Parameter(
        "File of rules",
        SOURCE,
        values=matching(rf"none|{GCS_FILE}", "is neither none nor like gs://bucket/rules.toml"),
    ),
)

PRESET: Final = Option(
    "in place of --rules: the rules for the exports of a tool, which take its names of events as "
    "event types (docs/rules.md)",
    "TOOL",
    one_of(*PRESETS),
    parameter=Parameter("Rules for a tool", SOURCE),
)

PEOPLE: Final = Option(
    "a file of all anonymous ids and their known ids (docs/people.md), local or gs://, with the "
    "columns anonymous_id and user_id, as CSV, JSON or Parquet; table:NAME for a table that lies "
    "beside the others; none for nobody (default: those that the warehouse notes)",
    "FILE|table:NAME|none",
    from_home,
    parameter=Parameter(
        "File or table of people",
        SOURCE,
        values=matching(
            rf"none|table:\w+|{GCS_FILE}",
            "is neither none, nor table:NAME, nor like gs://bucket/people.csv",
        ),
    ),
)

WAREHOUSE: Final = Option(
    "where the tables live, as a SQLAlchemy URL: duckdb:///relative/path.duckdb, "
    "duckdb:////absolute/path.duckdb or bigquery://project/dataset (default: "
    "duckdb:///growth.duckdb)",
    "URL",
    default="duckdb:///growth.duckdb",
    parameter=Parameter(
        "BigQuery dataset",
        TABLES,
        "where the tables live: bigquery://project/dataset",
        matching(BIGQUERY_URL, "is not like bigquery://project/dataset"),
        required=True,
    ),
)

QUALITY: Final = Option(
    "what a failed check of the tables does: enforce commits none of them, warn commits and "
    "reports, off checks nothing (default: enforce)",
    "enforce|warn|off",
    one_of("enforce", "warn", "off"),
    default="enforce",
    parameter=Parameter("What a failed check does", LIMITS),
)

LOCATION: Final = Option(
    "BigQuery: where a missing dataset is created, e.g. EU or us-east1; one that exists must "
    "lie there (default: US, or wherever it lies)",
    "PLACE",
    LOCATIONS,
    parameter=Parameter("Location of the dataset", TABLES),
)

PARTITION_FILTER: Final = Option(
    "BigQuery: queries of fct_events must say which event_dates they read, so that nobody "
    "pays for reading all of it by mistake (default: as it is; false for a new table)",
    "true|false",
    SWITCH,
    bare=True,
    parameter=Parameter("Require a partition filter on fct_events", TABLES),
)

# Own ones, which rules name, are known later.
ACTIVE_EVENT_TYPES: Final = Values(
    AskedFigures.parse, r"[^,\s\x00-\x20\x7f-\xa0][^,]*(,[^,\s\x00-\x20\x7f-\xa0][^,]*)*"
)

ACTIVE_TYPES: Final = Option(
    "the event types that make a user active on a date or in a month, comma-separated; "
    f"sessions, totals and miles always count all (default: all: {','.join(EVENT_TYPES)} and "
    "own ones)",
    "TYPES",
    ACTIVE_EVENT_TYPES,
    parameter=Parameter("Event types that make a user active", FIGURES),
)

TIMEZONE: Final = Option(
    "the time zone of dates, weeks and months, such as Asia/Singapore; event_time stays UTC. It is "
    "noted in the warehouse, and one that differs is refused: rebuild changes it (default: that of "
    "the tables, or UTC)",
    "ZONE",
    ZONE,
    parameter=Parameter("Time zone of dates", FIGURES),
)

WEEK_START: Final = Option(
    "the day with which a week begins; it is noted in the warehouse, and another one is refused: "
    "rebuild changes it (default: that of the tables, or monday)",
    "monday|sunday",
    one_of("monday", "sunday"),
    parameter=Parameter("First day of weeks", FIGURES),
)

MAX_FUTURE: Final = Option(
    "how far ahead of now an event time may be, in minutes: one fast clock would otherwise open "
    "tomorrow, with everybody churned in it; a later one is a dead letter "
    "(event_time_out_of_range), which passes in a replay when its time has come (default: 60)",
    "MINUTES",
    whole(0, 527_040),
    default=60,
    parameter=Parameter("Minutes that event times may be ahead", LIMITS),
)

MAX_DEAD_LETTERS: Final = Option(
    "the share of input rows that may be dead letters, in percent; above it the run fails "
    "and no table is touched (default: 50)",
    "PCT",
    PERCENTAGE,
    default=50.0,
    parameter=Parameter("Most dead letters, in percent", LIMITS),
)

USER_SHARDS: Final = Option(
    "into how many shards users are split; a worker holds two or three in memory (default: "
    "one for every 12 MB of CSV, 1,024 at most)",
    "N",
    whole(1, MAX_USER_SHARDS),
    parameter=Parameter("User shards", LOAD),
)

WORKERS: Final = Option(
    "how many processes of this machine read files and work out users, each with up to half a GB "
    "of memory (default: one for each core, and GB of memory)",
    "N",
    whole(1, 256),
    parameter=_NO_PARAMETER,
)

STREAM_STOPPED: Final = Option(
    "BigQuery: the stream that wrote the tables last is stopped for good",
    "true|false",
    SWITCH,
    default=False,
    bare=True,
    parameter=Parameter("The stream is stopped", LIMITS),
)

ALERT: Final = Option(
    "post to this address, in JSON that Slack takes, what needs a person, once: an alert level of "
    "the last complete month that has changed, failed checks of severity error, many dead letters, "
    "old data, a run that failed. https://..., or env:NAME for the variable that holds it, which "
    "nobody sees in a list of processes",
    "URL",
    Webhook.parse,
    parameter=_NO_PARAMETER,
    is_secret=True,
)

ALERT_DEAD_LETTERS: Final = Option(
    "--alert: the share of input rows of the last run that may be dead letters, in percent "
    "(default: 5)",
    "PCT",
    PERCENTAGE,
    default=5.0,
    parameter=_NO_PARAMETER,
)

MAX_AGE: Final = Option(
    "--alert: how old the newest event may be, in hours (default: however old)",
    "HOURS",
    number(0, "a number of hours, 0 or more"),
    parameter=_NO_PARAMETER,
)

SUMMARY_FILE: Final = Option(
    "write the run's summary to this file as JSON, local or gs://; - is stdout, and what is "
    "printed there otherwise goes to stderr then; an earlier run's file is removed first",
    "FILE",
    output_file,
    parameter=Parameter(
        "Summary file",
        TABLES,
        "write the run's summary to this file on gs:// as JSON",
        matching(GCS_FILE, "is not like gs://bucket/file", "GCS_WRITE_FILE"),
    ),
)


def refuse_workers(workers: int | None, for_beam: BeamArguments) -> None:
    """See that --workers is given to a run that Beam has no part in.

    Args:
        workers: as it is given.
        for_beam: what the command line says to Beam.

    Raises:
        OptionError: if it is not.
    """
    named = for_beam.of_runner
    if workers is not None and named:
        raise OptionError(
            f"--workers and --{named[0]} do not go together: with an option of Beam its runner "
            "says how many workers there are (--direct_num_workers on this machine)"
        )
