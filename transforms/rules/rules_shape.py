"""What a file of rules may say, and what each key means."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from transforms.kernels import fields
from transforms.kernels.input_formats import COMPRESSIONS, KINDS
from transforms.kernels.rates import MOST_EVENTS, PER_DAY, PER_SESSION
from transforms.kernels.zones import zone_names
from transforms.reckoning import FIRST_EARLIEST, LONGEST_GAP, PLAIN
from transforms.rules.model import EPOCHS, ISO, OTHERS
from transforms.rules.shapes import (
    AnyKeys,
    Flag,
    Keys,
    Number,
    OneOrSeveral,
    Several,
    Shape,
    Text,
    TextsOrKeys,
    Whole,
    WordOrSeveral,
    among,
    meant,
)
from transforms.rules.sql_text import quoted
from transforms.vocabulary import EVENT_ID, EVENT_TYPES, PLATFORMS, SOURCE_COLUMNS

_PATTERNS: Final = 100
_MOST_NULLS: Final = 20


def format_problem(text: str) -> str | None:
    """What is wrong with a format of times; None where nothing is."""
    known = (ISO, *EPOCHS)
    if text in known:
        return None
    if "%" not in text:
        return f"is no pattern such as %d.%m.%Y %H:%M:%S, and none of {among(text, known)}"
    reason = _why_no_pattern(text)
    return reason and f"is no pattern of strptime: {reason}. One is %d.%m.%Y %H:%M:%S"


@functools.lru_cache(_PATTERNS)
def _why_no_pattern(text: str) -> str | None:
    """What DuckDB, which takes 15 ms to begin, says of a pattern; each run reads rules thrice."""
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(f"SELECT try_strptime('', {quoted(text)})").fetchall()
    except duckdb.Error as error:
        return str(error).rpartition(": ")[2]
    return None


def pattern_problem(text: str) -> str | None:
    """What is wrong with a regular expression; None where nothing is."""
    try:
        pc.match_substring_regex(pa.array([""]), text)
    except pa.ArrowInvalid as error:
        reason = str(error).partition(": ")[2]
        return (
            f"is no regular expression of RE2 ({reason}): a sign that is meant has a \\ before it"
        )
    return None


def _pattern_key_problem(text: str) -> str | None:
    """What is wrong with a regular expression as a key of [patterns]; None where nothing is."""
    if text == OTHERS:
        return "is no pattern: all others have their line in [values]"
    return pattern_problem(text)


def zone_problem(text: str) -> str | None:
    """What is wrong with the name of a time zone; None where nothing is."""
    names = zone_names()
    return None if text in names else f"is no time zone such as Europe/Berlin{meant(text, names)}"


def earliest_problem(text: str) -> str | None:
    """What is wrong with the date of the earliest events; None where nothing is."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return "is no date such as 1997-01-01"
    if not FIRST_EARLIEST <= found <= PLAIN.earliest:
        return f"is no date from {FIRST_EARLIEST} to {PLAIN.earliest}"
    return None


def _digit_mark_problem(text: str) -> str | None:
    if len(text) != 1 or text.isalnum() or text in "+-":
        return "is no single sign such as . or ,"
    return None


def ours_problem(name: str, text: str, event_types: tuple[str, ...] = EVENT_TYPES) -> str | None:
    """What is wrong with a value as one of ours; None where nothing is.

    Args:
        name: of our column.
        text: not blank.
        event_types: all that there are.
    """
    if name == "event_type" and text not in event_types:
        return f"is none of {among(text, event_types)}; others go to own in [event_types]"
    if name == "platform" and fields.platform_code(text) < 0:
        return f"is none of {among(text, PLATFORMS)}"
    if name == "country":
        try:
            fields.country(text)
        except ValueError:
            return "is not the two letters of a country"
    if name == "miles_amount" and fields.miles_amount(text) < 0:
        return "is no whole number of miles"
    return None


def _column_problem(column: Mapping[str, Any]) -> str | None:
    if "constant" in column and len(column) > 1:
        return "has a constant and more: a constant is for all rows, so leave out the others"
    if not column.keys() & {"constant", "field"}:
        return 'names no source: give field = "..." or constant = "..."'
    return None


def _amount_problem(amount: Mapping[str, Any]) -> str | None:
    if amount.get("thousands") == amount.get("decimal", "."):
        return 'has the same sign for decimals and thousands: give both, as decimal = ","'
    return None


def _exclude_problem(exclude: Mapping[str, Any]) -> str | None:
    if not exclude.keys() - {"keep"}:
        return (
            "leaves nothing out: give ids, ids_file, patterns, where, events_per_day or "
            "events_per_session"
        )
    return None


_FIELD: Final = Text(
    "The source's name: of a column, or a way into it, as context.os.name or event_params[value]"
)
_COLUMN: Final = TextsOrKeys(
    OneOrSeveral(_FIELD),
    Keys(
        {
            "field": OneOrSeveral(_FIELD, "The source's name, or several in order of preference"),
            "default": Text("Our value where the field is blank"),
            "optional": Flag("Whether files may lack the field, which is blank there then"),
            "constant": Text("Our value in all rows"),
        },
        problem=_column_problem,
    ),
    "",
)
_ID_COLUMN: Final = TextsOrKeys(
    OneOrSeveral(_FIELD),
    Keys(
        {
            "field": OneOrSeveral(_FIELD, "The source's name, or several in order of preference"),
            "optional": Flag("Whether files may lack the field, which is blank there then"),
        },
        problem=_column_problem,
    ),
    "The source's id of an event: within a user it tells one event from others",
)
_OURS: Final[Mapping[str, Shape]] = {
    "event_type": Text("An event type: one of the five, or of own in [event_types]"),
    "transaction_category": Text('A category; "" for none', blank=True),
    "platform": Text(choices=PLATFORMS),
    "utm_source": Text('A utm_source; "" for none', blank=True),
    "country": Text('The two letters of a country; "" for none', blank=True),
}
_FORMAT: Final = Text(
    f"{ISO}, {', '.join(EPOCHS)} or a pattern of strptime as %d.%m.%Y %H:%M:%S",
    problem=format_problem,
)

_PATTERN: Final = Text("A regular expression of RE2, as (?i)bot", problem=pattern_problem)

SHAPE: Final = Keys(
    {
        "input": Keys(
            {
                "format": Text("What the files are", choices=KINDS),
                "compression": Text("How they are compressed", choices=COMPRESSIONS),
                "encoding": Text("Of text, as utf-8 or cp1252"),
                "delimiter": Text("Between the fields of CSV", blank=True),
                "quote": Text('Around fields of CSV; "" where nothing is quoted', blank=True),
                "names": Several(Text("A name"), "Of the fields of CSV that has no header"),
                "null": Several(
                    Text("A value, as \\N or -"),
                    "Values that are blank in all fields, but for white space around them",
                    _MOST_NULLS,
                ),
                "ignore_case": Flag(
                    "Whether columns of CSV and Parquet fit a name in another case, where exactly "
                    "one does"
                ),
            },
            "What files are; what is left out is found out from each file",
        ),
        "columns": Keys(
            {**dict.fromkeys(SOURCE_COLUMNS, _COLUMN), EVENT_ID: _ID_COLUMN},
            "Where our columns come from: a field of the source, several in order of preference, "
            "or a constant. One that is left out comes from the column of its own name",
        ),
        "time": Keys(
            {
                "format": OneOrSeveral(_FORMAT, "How times are written, iso if left out"),
                "zone": Text(
                    "The time zone of local times, as Europe/Berlin; UTC if left out",
                    problem=zone_problem,
                ),
                "earliest": Text(
                    "The date, in UTC, of the earliest events, as 1997-01-01; 2000-01-01 if left "
                    "out",
                    problem=earliest_problem,
                ),
            },
            "How event_time is read",
        ),
        "amount": Keys(
            {
                "decimal": Text("What stands before the decimals", problem=_digit_mark_problem),
                "thousands": Text(
                    "What may stand between groups of three digits",
                    problem=_digit_mark_problem,
                    blank=True,
                ),
                "miles_per_unit": Number("How many miles one is; half a mile is rounded up"),
            },
            "How miles_amount is read",
            _amount_problem,
        ),
        "values": Keys(
            {
                name: AnyKeys(shape, f'Our value by the source\'s; "{OTHERS}" is for all others')
                for name, shape in _OURS.items()
            },
            "What values are called here",
        ),
        "patterns": Keys(
            {
                name: AnyKeys(
                    shape,
                    "Our value by a regular expression of RE2, as (?i)android, that a part of the "
                    "source's fits; the first of them counts",
                    Text(problem=_pattern_key_problem),
                )
                for name, shape in _OURS.items()
            },
            "What values are called here that have no line of their own in [values]",
        ),
        "exclude": Keys(
            {
                "ids": Several(Text("The id of a user in the source")),
                "ids_file": Text("A file of further ids, one a line"),
                "patterns": OneOrSeveral(_PATTERN, "Of user ids, a part of which fits"),
                "where": AnyKeys(
                    OneOrSeveral(_PATTERN), "Of a field of the source, a part of which fits"
                ),
                PER_DAY: Whole(
                    "All records of users who have more events than this on a date", 1, MOST_EVENTS
                ),
                PER_SESSION: Whole(
                    "All records of users who have more events than this in a session",
                    1,
                    MOST_EVENTS,
                ),
                "keep": Flag("Whether they become dead letters, and are not only counted"),
            },
            "Which records are left out, of robots and testers",
            _exclude_problem,
        ),
        "sessions": Keys(
            {
                "gap_minutes": Whole(
                    "After how many minutes without an event of a user another session begins; 30 "
                    "if left out",
                    1,
                    LONGEST_GAP,
                )
            },
            "What a session is",
        ),
        "event_types": Keys(
            {
                "own": WordOrSeveral(
                    OTHERS,
                    Several(Text("An event type")),
                    f'Event types beside the five; "{OTHERS}" takes every name that files have',
                )
            },
            "Which event types there are",
        ),
    },
    "Rules: how the files of other tools are read",
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of files of rules, for editors."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rules of the growth pipeline",
        **SHAPE.schema,
    }
