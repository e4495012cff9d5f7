"""Event times as they are written elsewhere -> ISO 8601 in UTC, as SQL of DuckDB.

Its ICU, which is built in, knows the zones: every worker has the same ones. A local time that a
change of clocks skips, or shows twice, is read by the smaller of the two offsets, which is that of
winter.
"""

from __future__ import annotations

import re
from typing import Final

from transforms.rules.model import EPOCHS, ISO, TimeRules
from transforms.rules.sql_text import quoted

# A date and time without an offset, as the parser takes it.
_LOCAL: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?"
)
# Epochs up to the year 9999 have 12 digits before the point, in microseconds 18.
_EPOCH: Final = "-?[0-9]{1,18}([.][0-9]{1,30})?([eE][+-]?[0-9]{1,2})?"
_YEARS: Final = "BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
# DuckDB takes these for times, whatever the pattern.
_NO_TIMES: Final = "('infinity', '-infinity', 'epoch')"
_OF_ZONE: Final = re.compile(r"(?:[^%]|%%|%[^zZ])*")


def passes_through(rules: TimeRules) -> bool:
    """Whether the parser reads the times as they are."""
    return rules == TimeRules()


def time_sql(text: str, rules: TimeRules) -> str:
    """SQL for an event time in UTC, as ISO 8601.

    Args:
        text: SQL for a trimmed text.
        rules: how it is written.

    Returns:
        What is NULL where no format fits. By `iso`, all texts but local times of a zone stay as
        they are: the parser says what is wrong with them.
    """
    # `iso` fits every text, so that others of several come first.
    formats = sorted(rules.formats, key=lambda name: name == ISO)
    found = [_by_format(text, name, rules.zone) for name in formats]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _by_format(text: str, name: str, zone: str | None) -> str:
    if name == ISO:
        return _iso(text, zone)
    if name in EPOCHS:
        return _epoch(text, EPOCHS[name])
    parsed = f"try_strptime({text}, {quoted(name)})"
    parsed = f"timezone('UTC', {parsed})" if has_zone(name) else _utc(parsed, zone)
    return f"CASE WHEN lower({text}) NOT IN {_NO_TIMES} THEN {_written(parsed)} END"


def has_zone(pattern: str) -> bool:
    """Whether the times of a pattern of strptime have an offset or a zone of their own."""
    return _OF_ZONE.fullmatch(pattern) is None


def _iso(text: str, zone: str | None) -> str:
    if zone is None:
        return text
    local = f"try_cast({text} AS TIMESTAMP)"
    return (
        f"CASE WHEN regexp_full_match({text}, {quoted(_LOCAL)}) "
        f"THEN coalesce({_written(_utc(local, zone))}, {text}) ELSE {text} END"
    )


def _epoch(text: str, us: int) -> str:
    """Whole numbers apart: they are most, and three times as fast."""
    whole = f"try_cast({text} AS BIGINT)"
    exact = f"try_cast({text} AS DECIMAL(38, 15))"
    # What makes a number too large for a moment is told beforehand: make_timestamp would raise.
    largest = 10**18 // us
    return (
        f"CASE WHEN regexp_full_match({text}, '-?[0-9]{{1,18}}') AND abs({whole}) < {largest} "
        f"THEN {_written(f'make_timestamp({whole} * {us})')} "
        f"WHEN regexp_full_match({text}, '{_EPOCH}') AND abs({exact}) < {largest} "
        f"THEN {_written(f'make_timestamp(CAST(floor({exact} * {us}) AS BIGINT))')} END"
    )


def _utc(local: str, zone: str | None) -> str:
    return local if zone is None else f"timezone('UTC', timezone({quoted(zone)}, {local}))"


def _written(moment: str) -> str:
    return f"CASE WHEN {moment} {_YEARS} THEN CAST({moment} AS VARCHAR) END"
