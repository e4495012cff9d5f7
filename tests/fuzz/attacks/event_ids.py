"""Events that differ in little, or were made to collide: two events have two ids."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from tests.fuzz.contract import event_of
from tests.support.tables import NOW, compute, csv_text, parse, row

# Two texts that collided in all 128 bits of a hash that ids were once made of, and so did all that
# went on alike behind them: its mixer absorbed the same word into both of its lanes.
_COLLIDING: Final = ("ibjclomikfoebenl\u019eH2~jEz", "abikoififngkhhlmRE9\u01f1\u0235;")
_TAILS: Final = ["", "a", "aaaaaaaa", "\0", "\0" * 8, "b" * 40, "b" * 41, "é" * 20, "12345678" * 5]
_COLUMNS: Final = ("user", "category", "source")
_PIECES: Final = [
    "a",
    "b",
    "ab",
    "ba",
    "\0",
    "a\0",
    "\0a",
    "a" * 8,
    "a" * 16,
    "|",
    ",",
    "1",
    "0",
    "é",
]
_LENGTHS: Final = [7, 8, 9, 15, 16, 17, 31, 32, 33, 55, 56, 57, 63, 64, 65, 127, 128, 129, 500]


def case(chance: random.Random, folder: Path) -> int:
    """Some hundred events of one instant; counts them."""
    rows = [
        made
        for _ in range(chance.randrange(20, 200))
        for made in chance.choice([_crafted, _shifted, _exchanged, _alike])(chance)
    ]
    tables = compute([part.events for part in parse(csv_text(rows))])
    events = tables["fct_events"]
    distinct = {event_of(made, NOW) for made in rows}
    ids = events["event_id"].to_pylist()
    assert len(ids) == len(set(ids)), "two events have one id"
    assert len(ids) == len(distinct), f"{len(distinct)} events became {len(ids)}"
    sessions = set(
        zip(events["user_id"].to_pylist(), events["session_id"].to_pylist(), strict=True)
    )
    assert len({session for _, session in sessions}) == len(sessions), "users share a session's id"
    return len(distinct)


def _made(**others: str) -> dict[str, str]:
    return row("2024-01-05T10:00:00Z", **others)


def _crafted(chance: random.Random) -> list[dict[str, str]]:
    """What collided once, in any column and with anything behind it."""
    column, tail = chance.choice(_COLUMNS), chance.choice(_TAILS)
    return [_made(**{column: (text + tail).lower()}) for text in _COLLIDING] + [
        _made(**{column: text + tail}) for text in _COLLIDING
    ]


def _shifted(chance: random.Random) -> list[dict[str, str]]:
    """One text, cut at any place into two columns."""
    text = "x" + "".join(chance.choices(_PIECES, k=4)) + "x"
    one, other = chance.sample(_COLUMNS, 2)
    return [_made(**{one: text[:at], other: text[at:]}) for at in range(1, len(text))]


def _exchanged(chance: random.Random) -> list[dict[str, str]]:
    """Two texts in each other's place, or in two columns at once."""
    left, right = "x" + chance.choice(_PIECES) + "x", "y" + chance.choice(_PIECES) + "y"
    one, other = chance.sample(_COLUMNS, 2)
    return [
        _made(**{one: first, other: second}) for first in (left, right) for second in (left, right)
    ]


def _alike(chance: random.Random) -> list[dict[str, str]]:
    """Texts of the lengths at which hashes take them apart, with one letter changed."""
    column, length = chance.choice(_COLUMNS), chance.choice(_LENGTHS)
    at = chance.randrange(length)
    text = "a" * length
    others = [text, text[:at] + "b" + text[at + 1 :], text + "a", text[:at] + "\0" + text[at + 1 :]]
    return [_made(**{column: other.strip("\0") or "z"}) for other in others]
