"""Fields of some rows, and how likely each is one of our columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transforms.figure_settings import MOST_OWN_TYPES
from transforms.kernels.column_names import is_anonymous, is_of_loading, likeness
from transforms.rules.guess.time_guess import TimeGuess
from transforms.rules.guess.value_kinds import (
    guessed_amounts,
    is_country,
    is_some,
    platform_of,
    whole_share,
)
from transforms.rules.model import EPOCHS

# Of which a field is told to be an event's type: more names than that are no names of events.
_MOST_NAMES: Final = 1_000
# The share of the texts that fit, from which on a field may be a column.
_LEAST: Final = 0.5


@dataclass(frozen=True)
class Finding:
    """A field, and what is in it.

    Attributes:
        name: as rules call it.
        values: how often each text is there, the most frequent first; without blanks.
        rows: how many rows were looked at.
        times: how its texts are written as times.
    """

    name: str
    values: Mapping[str, int]
    rows: int
    times: TimeGuess

    @property
    def filled(self) -> int:
        """In how many rows it is not blank."""
        return sum(self.values.values())

    @property
    def blank_share(self) -> float:
        """The share of rows in which it is blank, from 0 to 1."""
        return 1 - self.filled / self.rows if self.rows else 1.0

    @property
    def example(self) -> str:
        """The most frequent text; "" without one."""
        return next(iter(self.values), "")


def score(ours: str, found: Finding) -> float:
    """How likely a field is a column, from 0 to 1: by its name, its values and its blanks."""
    named = likeness(ours, found.name) or _by_values(ours, found)
    if not found.filled or not named:
        return 0.0
    likely = named * _fitting(ours, found)
    if ours == "user_id" and not is_anonymous(found.name):
        return likely  # One that is rarely known is still the better one.
    if ours == "miles_amount":
        return likely * _amount_in(found)
    likely *= 0.5 + 0.5 * (1 - found.blank_share)
    if ours == "country" and not _are_codes(found):
        return likely * _NOT_CODES
    return likely * _rank_of_times(found) if ours == "event_time" else likely


def _by_values(ours: str, found: Finding) -> float:
    """How likely a field is a column whose name says nothing."""
    if ours in _WITHOUT_NAME:
        return _WITHOUT_NAME[ours]
    if not _NUMBERED.fullmatch(found.name):
        return 0.0
    if ours == "country" and _known_countries(found) >= _LEAST:
        return _COUNTRY_BY_VALUES
    is_type = ours == "event_type" and 1 < len(found.values) <= MOST_OWN_TYPES
    return _TYPE_BY_VALUES if is_type and all(map(_A_NAME.fullmatch, found.values)) else 0.0


def _rank_of_times(found: Finding) -> float:
    """Whatever a name says, times come before dates alone, and when rows were loaded comes last."""
    if is_of_loading(found.name):
        return _LOADED
    return 1.0 if found.times.has_hours and found.blank_share < _MOST_BLANK else _DATES_ALONE


_NUMBERS: Final = frozenset({*EPOCHS, "%Y%m%d", "%Y%m%d%H%M%S"})
# Apart by so much that what is likeliest by its name in one stays behind all of the one before.
_DATES_ALONE: Final = 0.02
_LOADED: Final = 0.0004
_MOST_BLANK: Final = 0.5
_SAME_AMOUNT: Final = 0.02


def _amount_in(found: Finding) -> float:
    """A zero is no amount, and what is the same in all rows is hardly one."""
    amounts = {text: number for text, number in found.values.items() if is_some(text)}
    share = 0.5 + 0.5 * sum(amounts.values()) / found.rows
    return share if len(amounts) > 1 else share * _SAME_AMOUNT


# Of countries codes are the better ones: names come in several spellings.
_NOT_CODES: Final = 0.7
_CODE_LETTERS: Final = 3
_MOST_COUNTRIES: Final = 300
# What a column is guessed by where no name speaks for it.
_WITHOUT_NAME: Final = {"event_time": 0.1, "platform": 0.05}
# Names that only number columns, as those of a file without a header: there values say more.
_NUMBERED: Final = re.compile(r"c\d+")
_COUNTRY_BY_VALUES: Final = 0.04
_TYPE_BY_VALUES: Final = 0.03
_A_NAME: Final = re.compile(r"[A-Za-z][\w .:-]{2,60}")


def fits(ours: str, found: Finding) -> bool:
    """Whether the texts of a field are values of a column, whatever its name is."""
    return found.filled > 0 and _fitting(ours, found) > 0


def _fitting(ours: str, found: Finding) -> float:
    """The share of the texts that are values of a column; 0 where they are too few."""
    share, least = 1.0, _LEAST
    texts = [*found.values]
    if ours == "event_time":
        share, least = found.times.share, 0.8
    elif ours == "event_type":
        few = len(texts) <= min(_MOST_NAMES, max(20, found.filled // 4))
        share = float(few and not found.times.formats and not _are_numbered(texts))
    elif ours == "user_id":
        are_flags = {text.casefold() for text in texts} <= {"true", "false"}
        share = float(not _are_written_times(found) and not are_flags)
    elif ours == "miles_amount":
        share, least = max(guessed_amounts(texts)[1], whole_share(texts)), 0.8
    elif ours == "platform":
        share = _platforms(found)
    elif ours == "country":
        share = max(_known_countries(found), least * _may_be_countries(texts))
    elif ours == "utm_source":
        share = float(whole_share(texts) < least and not _is_system(found))
    return share if share >= least else 0.0


def _are_written_times(found: Finding) -> bool:
    """Whether they are times that are no bare numbers, as ids may be, too."""
    return found.times.share >= _LEAST and not _NUMBERS.issuperset(found.times.formats)


def _platforms(found: Finding) -> float:
    if len(found.values) > _MOST_NAMES:
        return 0.0
    known = sum(number for text, number in found.values.items() if platform_of(text))
    return known / max(found.filled, 1)


def _is_system(found: Finding) -> bool:
    """Whether a source is where an app ran, and not where somebody came from."""
    return "utm" not in found.name.lower() and _platforms(found) >= _LEAST


def _known_countries(found: Finding) -> float:
    return sum(n for text, n in found.values.items() if is_country(text)) / max(found.filled, 1)


def _may_be_countries(texts: Sequence[str]) -> bool:
    """Whether they may be names of countries in a language that is not known."""
    return len(texts) <= _MOST_COUNTRIES and not any(
        sign.isdigit() for text in texts for sign in text
    )


def _are_codes(found: Finding) -> bool:
    return max(map(len, found.values)) <= _CODE_LETTERS


def _are_numbered(texts: Sequence[str]) -> bool:
    """Whether most have digits in them, as numbers of orders have and names of events have not."""
    return sum(any(sign.isdigit() for sign in text) for text in texts) > len(texts) / 2


def why(ours: str, found: Finding) -> str:
    """What says that a field is a column, in words."""
    by_name = "its name" if likeness(ours, found.name) else ""
    if ours == "event_time":
        said = f"{found.times.share:.0%} are times ({' or '.join(found.times.formats)})"
        if not found.times.has_hours:
            said = f"dates alone, no times of day: sessions mean nothing; {said}"
    elif ours == "country":
        said = _why_country(found)
    elif ours == "platform":
        said = f"{_fitting(ours, found):.0%} are systems or devices"
    elif ours == "miles_amount":
        said = f"{_fitting(ours, found):.0%} are amounts"
    else:
        said = "" if by_name else f"{len(found.values)} words"
    return ", ".join(filter(None, (by_name, said)))


def _why_country(found: Finding) -> str:
    if all(len(text) == len("DE") for text in found.values):
        return "two letters"
    known = _known_countries(found)
    foreign = "" if known >= _LEAST else ", by their letters or by names that are known"
    return f"{known:.0%} are countries{foreign}"
