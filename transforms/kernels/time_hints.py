"""How a text that is no event time may be meant."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

_ISO_SHAPES: Final = ("0000-00-00T00:00:00", "0000-00-00 00:00:00", "0000-00-00T00:00:00Z")
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
_LONGEST: Final = 30
_SHAPE: Final = str.maketrans("123456789", "000000000")


def time_hint(text: str) -> str:
    """What to say behind a time that can't be read: the line of rules that would do, if any."""
    found = _FORMATS.get(_shape(text))
    return f"; --rules with [time] format = {_said(found)} read it" if found else ""


def format_hint(text: str, tried: Collection[str]) -> str:
    """What to say behind a time that no format of rules fits: the one that would, if any.

    Args:
        text: the time.
        tried: the formats of the rules.
    """
    found = "iso" if _shape(text) in _ISO_SHAPES else _FORMATS.get(_shape(text))
    return f"; {_said(found)} among them would" if found and found not in tried else ""


def _shape(text: str) -> str:
    return text[:_LONGEST].translate(_SHAPE)


def _said(found: str) -> str:
    return f'"{found}"' + (" (or %d/%m/%Y)" if found.startswith("%m/") else "")
