"""Messages, read one at a time: JSON objects, or single CSV records."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tests.fuzz.contract import COLUMNS, Event, Refused, event_of
from tests.fuzz.plain_csv import records


class Number(str):
    """A JSON number as it was written."""


def result_of(data: bytes, is_csv: bool, now: datetime) -> Event | Refused:
    """What becomes of a message."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Refused("invalid_utf8")
    fields = _csv_fields(data) if is_csv else _json_fields(text)
    if fields is None:
        return Refused("malformed_row" if is_csv else "malformed_message")
    return event_of(fields, now)


def _csv_fields(data: bytes) -> dict[str, str] | None:
    found = list(records(data, 0, len(COLUMNS)))
    if len(found) != 1 or found[0].fields is None or len(found[0].fields) != len(COLUMNS):
        return None
    return dict(zip(COLUMNS, (field.decode() for field in found[0].fields), strict=True))


def _json_fields(text: str) -> dict[str, str] | None:
    try:
        found = json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse,
        )
        if not isinstance(found, Pairs) or _depth(found) > 100:
            return None
        names = [name for name, _ in found]
        if any(names.count(name) > 1 for name in COLUMNS):
            return None
        return {name: _text(dict(found).get(name)) for name in COLUMNS}
    except (ValueError, RecursionError):
        return None


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all its fields, repeated ones too."""


def _depth(value: Any) -> int:
    if isinstance(value, Pairs):
        value = [inner for _, inner in value]
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is neither a string nor a number")
    value.encode()  # Half of a surrogate pair raises a ValueError too.
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)
