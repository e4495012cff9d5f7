"""The rows that come late, twice or broken, as in any real log.

A flaw turns a row's eight fields into the row's bytes as they arrive, without the line end.
Flaws touch about one row in a thousand, so they may work on one row at a time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.sample import world
from pipeline.sample.chance import Ints, Lottery, Rng, happens

Flaw = Callable[[list[str]], bytes]

TIME, USER, EVENT_TYPE, CATEGORY, AMOUNT, PLATFORM, SOURCE, COUNTRY = range(8)

_LATE_PER_MILLE = 8
_LATE_SECONDS = Lottery.lognormal([60], 2.0, 1, 6 * 3600)
"""Phones out of reach: seconds mostly, hours at times."""
_AGAIN_SECONDS = Lottery.lognormal([30], 2.0, 1, 3 * 3600)
"""From a delivery to its redelivery."""


def _text(fields: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def _put(values: dict[int, str]) -> Flaw:
    def flaw(fields: list[str]) -> bytes:
        return _text([values.get(place, field) for place, field in enumerate(fields)]).encode()

    return flaw


def _rewrite(place: int, change: Callable[[str], str]) -> Flaw:
    return lambda fields: _put({place: change(fields[place])})(fields)


def _too_short(fields: list[str]) -> bytes:
    return _text(fields[:PLATFORM]).encode()


def _too_long(fields: list[str]) -> bytes:
    return _text([*fields, "v2"]).encode()


def _invalid_utf8(fields: list[str]) -> bytes:
    return _text([*fields[:CATEGORY], "caf\xe9", *fields[AMOUNT:]]).encode("latin-1")


def _unbalanced_quote(fields: list[str]) -> bytes:
    return _put({CATEGORY: "dining"})(fields).replace(b",dining", b',"dining')


REPEATS: tuple[Flaw, ...] = (
    _rewrite(TIME, lambda text: text.replace("T", " ")),
    _rewrite(TIME, lambda text: text.replace("Z", "+00:00")),
    _rewrite(USER, lambda text: f" {text} "),
    _rewrite(AMOUNT, lambda text: text and f"{text}.0"),
    _rewrite(PLATFORM, str.lower),
    _rewrite(SOURCE, str.upper),
    _rewrite(COUNTRY, str.lower),
)
"""Written differently, equal after parsing; the same where the field is empty."""

BREAKAGES: tuple[Flaw, ...] = (
    _put({USER: ""}),
    _put({USER: "   "}),
    _put({EVENT_TYPE: "miles_burned"}),
    _put({EVENT_TYPE: ""}),
    _put({TIME: "2025-02-30T10:11:12.123456Z"}),
    _put({TIME: "yesterday"}),
    _put({TIME: "1970-01-01T00:00:00.000000Z"}),
    _put({EVENT_TYPE: "miles_earned", AMOUNT: "-250"}),
    _put({EVENT_TYPE: "miles_redeemed", AMOUNT: "99.5"}),
    _put({EVENT_TYPE: "miles_earned", AMOUNT: ""}),
    _put({PLATFORM: "Windows Phone"}),
    _put({COUNTRY: "USA"}),
    _too_short,
    _too_long,
    _invalid_utf8,
    _unbalanced_quote,
)
"""Each breaks one rule of the source."""


@dataclass(frozen=True)
class Log:
    """The rows of the file, in the order in which they arrive.

    event: which event each row tells of, shape (rows,). flaws: by row number.
    broken: the numbers of the broken events, ascending.
    """

    event: Ints
    flaws: dict[int, Flaw]
    broken: Ints


def flaw_counts(rows: int) -> tuple[int, int]:
    """How many of `rows` rows are broken and how many are repeats.

    Together one in a thousand, but small files have a few too, to show what becomes of them.
    """
    each = max(rows // 2000, min(2, rows // 50))
    return each, each


def arrange(rng: Rng, time: Ints, broken: int, repeated: int) -> Log:
    """Puts events at `time` (microseconds, in any order) in their order of arrival.

    Adds `repeated` second deliveries, each after its first, and breaks `broken` others.
    """
    late = happens(rng, _LATE_PER_MILLE, len(time))
    arrival = time.copy()
    arrival[late] += _LATE_SECONDS.draw_many(rng, int(late.sum())) * world.SECOND
    flawed = rng.choice(len(time), broken + repeated, replace=False)
    ruined, again = flawed[:broken], flawed[broken:]
    wait = _AGAIN_SECONDS.draw_many(rng, repeated) * world.SECOND
    order = np.argsort(np.concatenate([arrival, arrival[again] + wait]), kind="stable")

    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    flaws = _in_turn(rng, row_of[ruined], BREAKAGES)
    # Every other redelivery is the same to the byte, as most are in life.
    flaws |= _in_turn(rng, row_of[len(time) :: 2], REPEATS)
    return Log(np.concatenate([np.arange(len(time)), again])[order], flaws, np.sort(ruined))


def _in_turn(rng: Rng, rows: Ints, kinds: tuple[Flaw, ...]) -> dict[int, Flaw]:
    """Deals the kinds out evenly, so that a file of some size has them all."""
    first = int(rng.integers(0, len(kinds)))
    return {row: kinds[(first + i) % len(kinds)] for i, row in enumerate(rows.tolist())}
