"""Random texts of source rows: what people write, what their tools make of it, and worse."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

from tests.fuzz.contract import COLUMNS, MILES_TYPES, TYPES

START: Final = datetime(2023, 12, 28)

_ZONES: Final = ["Z", "", " UTC", "+00:00", "+0530", "-08", "+23:59", "-11:30"]
_BAD_ZONES: Final = ["z", "+24:00", "+05:60", " Z", "GMT", "+5", "\u221208:00", "+ 1"]
_SPACES: Final = [" ", "  ", "\t", "\u00a0", "\u3000", "\u2003"]
_ODD: Final = [
    "NULL", "null", "nan", "N/A", "-", "'", '"', '""', "''", ",", ";", "\n", "\r\n", "\r", "\0",
    "\ufeff", "\u200b", "\u200d", "é", "e\u0301", "ᛖᚢᛖ", "\U0001f600", "\u202e", "ß", "İ", "\u017f",
    "\x1b[31m", "=1+1", "@x", "\x7f", "\x85", "\u2028", "%s", "{}", "\\", "\\N", "a" * 63, "b" * 64,
    "c" * 65, "x" * 500, "0", "true",
]  # fmt: skip
_AMOUNTS: Final = [
    "0", "1", "10", "250", "575.0", "7.000", "007", "1000000000000", "999999999999.0", "00", "0.0",
]  # fmt: skip
_BAD_AMOUNTS: Final = [
    "", "-1", "+1", "1.5", "1e3", "1,000", "1_000", "1000000000001", "9223372036854775807",
    "9223372036854775808", "99999999999999999999999", "1.", ".0", "4.99999999999999999", "0x10",
    "١٢", "1 0", "NaN", "Infinity", "1.0000000000000000000001", "0" * 30 + "5", "5." + "0" * 30,
]  # fmt: skip
_BAD_TIMES: Final = [
    "", "never", "2024-01-01", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1999-12-31T23:59:59.999999Z",
    "2024-13-01T00:00:00Z",
    "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:60Z", "2024-1-1T00:00:00Z",
    "2024-01-01T00:00Z", "1704067200", "01/02/2024 10:00:00", "2024-01-01T00:00:00.Z",
    "2024-01-01t00:00:00Z", "٢٠٢٤-01-01T00:00:00Z", "2026-01-01T02:00:00Z",
    "0001-01-01T00:00:00+10", "9999-12-31T23:59:59-10:00",
    "2024-01-01T00:00:00.0000000000000000000000000000000001Z",
]  # fmt: skip


def time(chance: random.Random) -> str:
    """An event time, as a rule a valid one, often at the edge of a session or day."""
    if chance.random() < 0.06:
        return chance.choice(_BAD_TIMES)
    step = chance.choice([timedelta(minutes=7), timedelta(minutes=30), timedelta(hours=12)])
    edge = timedelta(microseconds=chance.choice([0, 0, 1, -1, 999_999]))
    moment = START + step * chance.randrange(400) + edge
    text = moment.strftime(chance.choice(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]))
    if moment.microsecond or chance.random() < 0.2:
        text += f".{moment.microsecond:06}" + "0" * chance.choice([0, 0, 3])
    zones = _ZONES if chance.random() < 0.97 else _BAD_ZONES
    return text + chance.choice(zones if chance.random() < 0.3 else ["Z"])


def row(chance: random.Random, users: int = 6) -> dict[str, str]:
    """A source row: few users, mostly valid, some odd values."""
    kind = chance.choice(TYPES)
    amount = ""
    if kind in MILES_TYPES or chance.random() < 0.05:
        amount = chance.choice(_AMOUNTS if chance.random() < 0.9 else _BAD_AMOUNTS)
    fields = {
        "event_time": time(chance),
        "user_id": chance.choice(["ann", "bob", "dé", "ᛖᚢᛖ", "u6", "x,y"][:users]),
        "event_type": kind,
        "transaction_category": chance.choice(["", "flight", "Food, drinks", 'a"b', "two\nlines"]),
        "miles_amount": amount,
        "platform": chance.choice(["iOS", "android", "Web", "WEB", "ios"]),
        "utm_source": chance.choice(["organic", "Paid", "social", "referral", "", "tv"]),
        "country": chance.choice(["SG", "us", "", "De"]),
    }
    while chance.random() < 0.12:
        name = chance.choice(COLUMNS)
        fields[name] = odd(chance, fields[name])
    return fields


def odd(chance: random.Random, text: str) -> str:
    """Something else in a text's place, or around it."""
    spaces, junk = chance.choices(_SPACES, k=2), chance.choice(_ODD)
    return chance.choice(
        [
            "",
            junk,
            spaces[0] + text + spaces[1],
            text + junk,
            junk + text,
            text.upper(),
            "".join(chance.choices([*_SPACES, "\u200b", "\ufeff", "\0"], k=3)),
            "".join(chance.choices(_ODD, k=4)),
            text[: len(text) // 2],
        ]
    )
