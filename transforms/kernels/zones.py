"""Time zones: which there are, and when each one's local time leaps.

DuckDB's ICU, which is built in, knows them: every worker has the same ones, and the local times
that rules turn into UTC, the dates of figures and the checks of a DuckDB file go by the same data.
"""

from __future__ import annotations

import difflib
import functools
import re
from typing import Final, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from transforms.reckoning import UTC

# Names of UTC itself: tables by one of them are tables by any.
_NAMES_OF_UTC: Final = frozenset(
    {
        *("UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"),
        *("GMT", "Etc/GMT", "Greenwich", "Etc/Greenwich", "GMT0", "Etc/GMT0"),
    }
)
# ICU alone knows these: BigQuery does not, and three letters mean one zone here, another there.
_OF_ICU_ALONE: Final = ("SystemV/", "US/Pacific-New", "Canada/East-Saskatchewan")
# CET and EST, as long as AKST.
_ABBREVIATION: Final = 4
_OFFSET: Final = re.compile(r"(utc|gmt|etc/utc|etc/gmt)?_?[+-]?\d{1,2}(:?\d{2})?")
# Leaps are looked for from 1969 to 2100, and by the day: no zone leaps there and back within one.
_FIRST_DAY: Final = -400
_DAYS: Final = 48_000
_SECONDS_PER_DAY: Final = 86_400


class Leaps(NamedTuple):
    """When the local time of a zone leaps.

    Attributes:
        at_us: int64 [n], ascending, microseconds since 1970-01-01.
        offset_us: int64 [n + 1], how far local time is ahead of UTC: before the first leap, and
            from each one on.
    """

    at_us: NDArray[np.int64]
    offset_us: NDArray[np.int64]


def named_zone(text: str) -> str:
    """The zone that a text names; UTC for each of its names.

    Raises:
        ValueError: if there is none, with a name that is near; of abbreviations and offsets, of
            which letters that are alike say nothing, with how zones are named.
    """
    if text in _NAMES_OF_UTC:
        return UTC
    known = {name for name in zone_names() if "/" in name and not name.startswith(_OF_ICU_ALONE)}
    if text in known:
        return text
    folded = {name.lower(): name for name in known}
    # Most people know the city: Singapore, and not Asia/Singapore.
    cities = {name.rpartition("/")[2]: name for name in folded}
    wanted = text.strip().lower().replace(" ", "_")
    if wanted not in cities and (len(wanted) <= _ABBREVIATION or _OFFSET.fullmatch(wanted)):
        raise ValueError(
            "is no time zone: zones are named like Europe/Berlin; fixed offsets are Etc/GMT-8 for "
            "UTC+8"
        )
    near = [folded[name] for name in difflib.get_close_matches(wanted, folded, n=1)]
    near += [folded[cities[name]] for name in difflib.get_close_matches(wanted, cities, n=2)]
    meant = " or ".join(dict.fromkeys(near))
    raise ValueError(
        "is no time zone such as Asia/Singapore or UTC"
        f"{f'; did you mean {meant}?' if meant else ': it is a region, a slash and a city'}"
    )


@functools.cache
def zone_names() -> frozenset[str]:
    """All names that DuckDB knows."""
    with duckdb.connect(config={"threads": 1}) as connection:
        found = connection.execute("SELECT name FROM pg_timezone_names()").fetchall()
    return frozenset(name for (name,) in found)


@functools.cache
def leaps_of(zone: str) -> Leaps:
    """When the local time of a zone leaps, from 1969 to 2100: 20 ms, once a process."""
    days = (np.arange(_DAYS, dtype=np.int64) + _FIRST_DAY) * _SECONDS_PER_DAY
    with duckdb.connect(config={"threads": 1}) as connection:
        offsets = _offsets(connection, zone, days)
        leaps = np.flatnonzero(np.diff(offsets))
        before, after = days[leaps], days[leaps + 1]
        while len(before) and int((after - before).max()) > 1:
            middle = (before + after) // 2
            is_before = _offsets(connection, zone, middle) == offsets[leaps]
            before = np.where(is_before, middle, before)
            after = np.where(is_before, after, middle)
    second = 1_000_000
    return Leaps(after * second, np.append(offsets[:1], offsets[leaps + 1]) * second)


def _offsets(
    connection: duckdb.DuckDBPyConnection, zone: str, seconds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How far a zone is ahead of UTC at moments, both in seconds: int64 [n] -> int64 [n]."""
    connection.register("moments", {"unix": seconds})
    found = connection.execute(
        "SELECT epoch_us(timezone($zone, make_timestamptz(unix * 1000000))) // 1000000 - unix "
        "AS ahead FROM moments",
        {"zone": zone},
    ).fetchnumpy()
    ahead: NDArray[np.int64] = np.asarray(found["ahead"], np.int64)
    return ahead
