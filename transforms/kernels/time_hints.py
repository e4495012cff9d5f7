"""How a text that is no event time may be meant."""

from __future__ import annotations

from typing import Final

# By the shape of the text, every digit a 0.
_FORMATS: Final = {
    "0" * 10: "epoch_s",
    "0" * 13: "epoch_ms",
    "0" * 16: "epoch_us",
    "0" * 8: "%Y%m%d",
    "0000-00-00": "%Y-%m-%d",
    "0000-00-00 00:00": "%Y-%m-%d %H:%M",
    "0000-00-00T00:00": "%Y-%m-%dT%H:%M",
    "0000/00/00": "%Y/%m/%d",
    "0000/00/00 00:00:00": "%Y/%m/%d %H:%M:%S",
    "00.00.0000": "%d.%m.%Y",
    "00.00.0000 00:00": "%d.%m.%Y %H:%M",
    "00.00.0000 00:00:00": "%d.%m.%Y %H:%M:%S",
    "00/00/0000": "%m/%d/%Y",
    "00/00/0000 00:00": "%m/%d/%Y %H:%M",
    "00/00/0000 00:00:00": "%m/%d/%Y %H:%M:%S",
}
_SHAPE: Final = str.maketrans("123456789", "000000000")


def time_hint(text: str) -> str:
    """What to say behind a time that can't be read: the line of rules that would do, if any."""
    found = _FORMATS.get(text.translate(_SHAPE)) if len(text) < 20 else None
    if found is None:
        return ""
    other = " (or %d/%m/%Y)" if found.startswith("%m/") else ""
    return f'; --rules with [time] format = "{found}"{other} read it'
