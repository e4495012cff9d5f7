"""The rules of a source event in plain Python, one record at a time, as the contract words them."""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

COLUMNS: Final = (
    "event_time",
    "user_id",
    "event_type",
    "transaction_category",
    "miles_amount",
    "platform",
    "utm_source",
    "country",
)
TYPES: Final = ("miles_earned", "miles_redeemed", "share", "like", "reward_search")
MILES_TYPES: Final = ("miles_earned", "miles_redeemed")
MOST_MILES: Final = 1_000_000_000_000
FUTURE: Final = timedelta(minutes=60)
EARLIEST: Final = datetime(2000, 1, 1)
# Unicode's Default_Ignorable_Code_Point beyond the format characters (Cf), and those of the latter
# that show all the same.
_FILLERS: Final = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0}.union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xFFF0, 0xFFF9), range(0xE0000, 0xE1000)
)
_SHOWN: Final = {0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}.union(
    range(0x600, 0x606), range(0xFFF9, 0xFFFC), range(0x13430, 0x13440)
)

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(Z| UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?)?"
)
_WHOLE = re.compile(r"([0-9]+)(?:\.0+)?")


class Event(NamedTuple):
    """An event as the tables hold it."""

    event_time: datetime
    user_id: str
    event_type: str
    transaction_category: str | None
    miles_amount: int | None
    platform: str
    utm_source: str | None
    country: str | None


class Refused(NamedTuple):
    """The error_type of a record that is no event."""

    error_type: str


def event_of(texts: Mapping[str, str], now: datetime) -> Event | Refused:
    """The event of a record's texts, by column, or the first rule that they break."""
    fields = {name: texts[name].strip() for name in COLUMNS}
    user, kind, amount = fields["user_id"], fields["event_type"], fields["miles_amount"]
    if all(_shows_nothing(letter) for letter in user):
        return Refused("missing_user_id")
    time = _instant(fields["event_time"])
    if time is None:
        return Refused("bad_event_time")
    if isinstance(time, str) or not EARLIEST <= time <= now + FUTURE:
        return Refused("event_time_out_of_range")
    if kind not in TYPES:
        return Refused("unknown_event_type")
    whole = _WHOLE.fullmatch(amount)
    if kind in MILES_TYPES and not amount:
        return Refused("missing_miles_amount")
    if kind in MILES_TYPES and not whole:
        return Refused("bad_miles_amount")
    miles = int(whole[1].lstrip("0")[:40] or "0") if whole and kind in MILES_TYPES else None
    if miles is not None and miles > MOST_MILES:
        return Refused("too_many_miles")
    platform = {"ios": "iOS", "android": "Android", "web": "Web"}.get(fields["platform"].lower())
    if platform is None:
        return Refused("unknown_platform")
    if not re.fullmatch("([A-Za-z]{2})?", fields["country"]):
        return Refused("bad_country")
    return Event(
        time,
        user,
        kind,
        fields["transaction_category"] or None,
        miles,
        platform,
        fields["utm_source"].lower() or None,
        fields["country"].upper() or None,
    )


def _shows_nothing(letter: str) -> bool:
    code = ord(letter)
    unseen = unicodedata.category(letter) in ("Cc", "Cf") and code not in _SHOWN
    return unseen or letter.isspace() or code in _FILLERS


def _instant(text: str) -> datetime | str | None:
    """The instant in UTC; "beyond" where no datetime reaches it, None where it is no time."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    east = 60 * int(match[10] or 0) + int(match[11] or 0)
    # The year 0 is a leap year, as 2000 is, and no datetime knows it.
    known = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year or 2000, month)[1]
    if not known or hour > 23 or minute > 59 or second > 59:
        return None
    if int(match[10] or 0) > 23 or int(match[11] or 0) > 59:
        return None
    micros = int(((match[7] or "") + "000000")[:6])
    try:
        local = datetime(year, month, day, hour, minute, second, micros)
        return local - timedelta(minutes=-east if match[9] == "-" else east)
    except (ValueError, OverflowError):
        return "beyond"
