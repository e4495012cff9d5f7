"""Every option of the pipeline, declared, documented and checked once.

Nothing here imports Beam: a wrong option is refused before the second that the import takes.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from transforms.vocabulary import EVENT_TYPES

MAX_USER_SHARDS: Final = 65_536


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: without the dashes.
        help: what it does, for the help page.
        metavar: the value's name in the help page.
        parse: turns the text into the value; raises ValueError with what is wrong.
        default: the value where the option is not given.
        many: whether it takes several values; `parse` then sees each of them.
        bare: the value where the option is given without one; None where it needs one.
    """

    name: str
    help: str
    metavar: str
    parse: Callable[[str], Any] = str
    default: Any = None
    many: bool = False
    bare: Any = None


def declare(parser: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    """Add options to an argparse parser."""
    for option in options:
        parser.add_argument(
            f"--{option.name}",
            help=option.help.replace("%", "%%"),
            metavar=option.metavar,
            type=_type(option),
            default=option.default,
            nargs="+" if option.many else None if option.bare is None else "?",
            const=option.bare,
            action="extend" if option.many else "store",
        )


def declare_new(parser: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    """Add those options that the parser does not have: Beam's holds those of all commands."""
    known = parser._option_string_actions
    declare(parser, tuple(option for option in options if f"--{option.name}" not in known))


def _type(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} {error}") from error

    return parse


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, exit code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _whole(low: int, high: int | None) -> Callable[[str], int]:
    bounds = f"from {low:,} to {high:,}" if high is not None else f">= {low:,}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise ValueError(f"is not a whole number {bounds}")
        return number

    return parse


def _percentage(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise ValueError("is not a percentage from 0 to 100")
    return number


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text.lower() == "true"


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"is none of {', '.join(names)}")
        return text

    return parse


def _location(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]+(-[a-z]+[0-9]+)?", text):
        raise ValueError("is no location like EU, US or europe-west3")
    return text


def _event_types(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in EVENT_TYPES]
    if unknown or not names:
        raise ValueError(f"is not a comma-separated list of {', '.join(EVENT_TYPES)}")
    return tuple(name for name in EVENT_TYPES if name in names)


def _resource(kind: str) -> Callable[[str], str]:
    """A resource of Pub/Sub by its full name."""
    pattern = rf"projects/[a-z][a-z0-9.:-]{{4,}}[a-z0-9]/{kind}/[A-Za-z][\w.~+%-]{{2,254}}"

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is not like projects/my-project/{kind}/events")
        return text

    return parse


def _number(low: float, what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number < math.inf:
            raise ValueError(f"is not {what}")
        return number

    return parse


def _summary_file(text: str) -> str:
    if text.startswith("gs://"):
        return text
    path = _local_file(text)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ValueError(f"can't be written: there is no folder {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ValueError("can't be written: it or its folder is read-only")
    return path


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date like 2025-01-31, nor a time like 2025-01-31T12:00Z") from None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def _error_type(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError("is no error_type like bad_country")
    return text


def _new_csv_file(text: str) -> str:
    path = _csv_file(text)
    if os.path.exists(path):
        raise ValueError("is there already: it may be mended by hand, so name another file")
    return _summary_file(path)


def _csv_file(text: str) -> str:
    if not text.endswith(".csv"):
        raise ValueError("is no .csv file")
    return _local_file(text)


def _mended_file(text: str) -> str:
    path = _csv_file(text)
    if not os.path.isfile(path):
        raise ValueError("is not there: --output writes it")
    return path


def _sample_file(text: str) -> str:
    if not text.endswith((".csv", ".csv.gz")):
        raise ValueError("is neither .csv nor .csv.gz")
    return _local_file(text)


def _local_file(text: str) -> str:
    if "://" in text:
        raise ValueError("is no path on this machine")
    path = os.path.abspath(text)
    if not text or os.path.isdir(path):
        raise ValueError("is a folder: name a file in it")
    return path


_INPUT: Final = Option(
    "input",
    "CSV files (.csv, .csv.gz): one or more paths or globs, local or gs://; quote globs, so "
    "that the shell leaves them alone",
    "GLOB",
    many=True,
)

_WAREHOUSE: Final = Option(
    "warehouse",
    "where the tables live, as a SQLAlchemy URL: duckdb:///relative/path.duckdb, "
    "duckdb:////absolute/path.duckdb or bigquery://project/dataset (default: "
    "duckdb:///growth.duckdb)",
    "URL",
    default="duckdb:///growth.duckdb",
)

_QUALITY: Final = Option(
    "quality",
    "what a failed check of the tables does: enforce commits none of them, warn commits and "
    "reports, off checks nothing (default: enforce)",
    "enforce|warn|off",
    _one_of("enforce", "warn", "off"),
    default="enforce",
)

_LOCATION: Final = Option(
    "location",
    "BigQuery: where a missing dataset is created, e.g. EU or us-east1; one that exists must "
    "lie there (default: US, or wherever it lies)",
    "PLACE",
    _location,
)

_PARTITION_FILTER: Final = Option(
    "require_partition_filter",
    "BigQuery: queries of fct_events must say which event_dates they read, so that nobody "
    "pays for reading all of it by mistake (default: as it is; false for a new table)",
    "true|false",
    _switch,
    bare=True,
)

_ACTIVE_TYPES: Final = Option(
    "active_event_types",
    "the event types that make a user active on a date or in a month, comma-separated; "
    f"sessions, totals and miles always count all (default: {','.join(EVENT_TYPES)})",
    "TYPES",
    _event_types,
    default=EVENT_TYPES,
)

_USER_SHARDS: Final = Option(
    "user_shards",
    "into how many shards users are split; a worker holds two or three in memory (default: "
    "one for every 12 MB of CSV, 1,024 at most)",
    "N",
    _whole(1, MAX_USER_SHARDS),
)

_SUMMARY_FILE: Final = Option(
    "summary_file",
    "write the run's summary to this file as JSON, local or gs://",
    "FILE",
    _summary_file,
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
        _percentage,
        default=50.0,
    ),
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
        _event_types,
    ),
)

DOCS: Final = (
    Option(
        "output",
        "the Markdown file to write (default: docs/tables.md)",
        "FILE",
        _local_file,
        default="docs/tables.md",
    ),
)

SAMPLE: Final = (
    Option(
        "events",
        "how many rows, broken and repeated ones included (default: 200,000)",
        "N",
        _whole(0, None),
        default=200_000,
    ),
    Option(
        "output",
        "the file to write, .csv or .csv.gz; its folder is created (default: sample/events.csv)",
        "FILE",
        _sample_file,
        default="sample/events.csv",
    ),
    Option(
        "seed",
        "another seed makes another sample; the same one makes the same bytes (default: 7)",
        "N",
        _whole(0, None),
        default=7,
    ),
)

STREAM: Final = (
    Option(
        "subscription",
        "the Pub/Sub subscription to read: projects/P/subscriptions/S",
        "NAME",
        _resource("subscriptions"),
    ),
    _WAREHOUSE,
    _LOCATION,
    _PARTITION_FILTER,
    _ACTIVE_TYPES,
    Option(
        "late_horizon_days",
        "how late an event may come, in days; a later one is a dead letter (too_late), and events "
        "are known as repeated for so long (default: 7)",
        "DAYS",
        _whole(1, 3_650),
        default=7,
    ),
    Option(
        "flush_seconds",
        "how often the tables are brought up to date; an event is in all of them within two of "
        "these; for BigQuery 60 or more keep within its 1,500 jobs a table and day (default: 60)",
        "SECONDS",
        _number(1, "a number of seconds, 1 or more"),
        default=60.0,
    ),
    Option(
        "quality",
        "what becomes of checks: warn evaluates at each flush those that it can answer and reports "
        "what fails, off none; a stream is never stopped by them (default: warn)",
        "warn|off",
        _one_of("warn", "off"),
        default="warn",
    ),
    Option(
        "dead_letter_topic",
        "publish dead letters to this topic too: projects/P/topics/T",
        "NAME",
        _resource("topics"),
    ),
)

PUBLISH: Final = (
    _INPUT,
    Option(
        "topic",
        "the Pub/Sub topic to publish to: projects/P/topics/T",
        "NAME",
        _resource("topics"),
    ),
    Option(
        "speed",
        "how much faster than life: 60 publishes an hour of events in a minute; 0 as fast as it "
        "goes (default: 0)",
        "FACTOR",
        _number(0, "a number, 0 or more"),
        default=0.0,
    ),
    Option(
        "shuffle_seconds",
        "delay each event by up to so many seconds of its own time, at random (default: 0)",
        "SECONDS",
        _number(0, "a number of seconds, 0 or more"),
        default=0.0,
    ),
    Option(
        "repeat_pct",
        "publish so many percent of the events a second time (default: 0)",
        "PCT",
        _percentage,
        default=0.0,
    ),
    Option(
        "seed",
        "another seed delays and repeats other events (default: 7)",
        "N",
        _whole(0, None),
        default=7,
    ),
)

REPLAY: Final = (
    _WAREHOUSE,
    Option(
        "error_type",
        "take only dead letters of these types: one or more, e.g. bad_country (default: all)",
        "TYPE",
        _error_type,
        many=True,
    ),
    Option(
        "since",
        "take only dead letters that failed at this date or time (UTC) or later",
        "DATE",
        _moment,
    ),
    Option(
        "edit",
        "mend the records: an expression for sed, or the path of an executable file that reads "
        "them on stdin, one a line, and writes as many to stdout",
        "SED_OR_FILE",
    ),
    Option(
        "output",
        "write the dead letters into this file instead, to be mended by hand",
        "FILE.csv",
        _new_csv_file,
    ),
    Option("input", "read the mended file of --output back", "FILE.csv", _mended_file),
    Option(
        "dry_run",
        "show what would happen, and write nothing",
        "true|false",
        _switch,
        default=False,
        bare=True,
    ),
    Option(
        "topic",
        "publish the mended records to this topic, for the stream that keeps the tables, instead "
        "of rebuilding them: projects/P/topics/T",
        "NAME",
        _resource("topics"),
    ),
    Option(
        "stream_stopped",
        "BigQuery: the stream that wrote the tables last is stopped for good, so that they can be "
        "rebuilt",
        "true|false",
        _switch,
        default=False,
        bare=True,
    ),
    replace(
        _ACTIVE_TYPES,
        help="the event types that make a user active; needed only where the warehouse does not "
        "say with which its tables were built, and refused where it says otherwise",
        default=None,
    ),
    _USER_SHARDS,
    _QUALITY,
    _SUMMARY_FILE,
)
