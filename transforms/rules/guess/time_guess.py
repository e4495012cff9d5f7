"""How some texts are written that may be times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms.kernels.event_time import parse_event_times
from transforms.rules.model import EPOCHS, ISO, TimeRules
from transforms.rules.source_fields import asked
from transforms.rules.times_sql import has_zone, time_sql
from transforms.vocabulary import EARLIEST

# Of those that fit as well, the first is taken.
_FORMATS: Final = (
    ISO,
    *EPOCHS,
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%d %b %Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S %z",
)
_MOST_TEXTS: Final = 500
_MOST_FORMATS: Final = 3
_LONGEST: Final = 40
# A day ahead is a clock that is wrong, or another zone; a year ahead is no time of an event.
_AHEAD: Final = timedelta(days=2)
_DAY_US: Final = 86_400_000_000
_NONE: Final = np.iinfo(np.int64).min
_MAYBE_TIME: Final = re.compile(r"(?:\D*\d){6,}\D*")


@dataclass(frozen=True)
class TimeGuess:
    """How times are written.

    Attributes:
        formats: as [time] of rules has them, the one that fits most first; none where no text is a
            time.
        share: of the texts those that they fit, from 0 to 1.
        as_well: others that fit all that the first one fits, with other days in them.
        is_local: whether some have no offset, and no epoch either.
        has_hours: whether some have a time of day; else they are dates alone.
    """

    formats: tuple[str, ...] = ()
    share: float = 0.0
    as_well: tuple[str, ...] = ()
    is_local: bool = False
    has_hours: bool = False


def guessed_times(
    texts: Sequence[str], now: datetime, database: duckdb.DuckDBPyConnection
) -> TimeGuess:
    """How times are written, by the formats that fit, with moments from 2000 up to now.

    Args:
        texts: trimmed, not blank; the first 500 are looked at.
        now: in UTC without a zone.
        database: an empty one in memory.
    """
    texts = texts[:_MOST_TEXTS]
    maybe = sum(len(text) <= _LONGEST and _MAYBE_TIME.fullmatch(text) is not None for text in texts)
    if maybe * 2 < len(texts) or not texts:
        return TimeGuess()
    column = pa.array(texts, pa.string())
    times = {name: _times(column, name, now, database) for name in _FORMATS}
    fits = {name: found != _NONE for name, found in times.items()}
    left, chosen = np.ones(len(texts), np.bool_), list[str]()
    while left.any() and len(chosen) < _MOST_FORMATS:
        best = max(fits, key=lambda name: int((fits[name] & left).sum()))
        if not (fits[best] & left).any():
            break
        chosen.append(best)
        left &= ~fits[best]
    if not chosen:
        return TimeGuess()
    first = fits[chosen[0]]
    as_well = [n for n in fits if n not in chosen and bool((fits[n] >= first).all())]
    is_local = any(
        name not in EPOCHS and not has_zone(name) and (name != ISO or _some_local(texts))
        for name in chosen
    )
    has_hours = any(bool((times[name][fits[name]] % _DAY_US).any()) for name in chosen)
    return TimeGuess(tuple(chosen), 1 - float(left.mean()), tuple(as_well), is_local, has_hours)


def times_by_type(texts: Iterable[str]) -> TimeGuess:
    """What times and dates by their type are, by their texts in ISO 8601."""
    return TimeGuess(
        (ISO,), 1.0, has_hours=any(text[10:19] not in ("", "T00:00:00") for text in texts)
    )


def _times(
    column: pa.Array, name: str, now: datetime, database: duckdb.DuckDBPyConnection
) -> NDArray[np.int64]:
    """Of each text the time in microseconds, _NONE where the format does not fit."""
    statement = f"SELECT {time_sql('text', TimeRules((name,)))} FROM rows"
    (found,) = asked(database, pa.table({"text": column}), statement)
    time_us, known = parse_event_times(found.fill_null(""))
    earliest, latest = (
        int(np.datetime64(moment, "us").astype(np.int64)) for moment in (EARLIEST, now + _AHEAD)
    )
    fits = known & (time_us >= earliest) & (time_us < latest)
    return np.where(fits, time_us, _NONE)


def _some_local(texts: Sequence[str]) -> bool:
    return any(re.fullmatch(r"[-\d]+[T ][:.\d]+", text) for text in texts)
