"""What some texts may be as values of our columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final

from transforms.data_error import DataError
from transforms.figure_settings import MOST_LETTERS, checked_own
from transforms.kernels import fields
from transforms.rules.amounts import whole_miles
from transforms.rules.countries import two_letters
from transforms.rules.model import AmountRules
from transforms.vocabulary import EVENT_TYPES

_PLATFORMS: Final = {
    "iOS": re.compile(r"\b(ios|iphone|ipad|ipados|ipod|iphone os)\b"),
    "Android": re.compile(r"\bandroid\b"),
    "Web": re.compile(
        r"\b(web|website|browser|desktop|windows|mac|macos|os x|macintosh|linux|ubuntu|chrome os|"
        r"chromeos|online store|pc|www)\b"
    ),
}
_LETTERS: Final = re.compile(r"[A-Za-z]{2}")
_AMOUNTS: Final = (
    AmountRules(),
    AmountRules(","),
    AmountRules(".", ","),
    AmountRules(",", "."),
    AmountRules(",", " "),
)
_REFUSED_SIGNS: Final = re.compile(r"""[,;'"`\\\s]+""")


def platform_of(text: str) -> str | None:
    """Which platform a system, a device or a word for one is; None where that can't be told."""
    words = text.casefold().replace("_", " ")
    return next((ours for ours, found in _PLATFORMS.items() if found.search(words)), None)


def is_country(text: str) -> bool:
    """Whether a text is two letters, or the name or the three letters of a country."""
    return _LETTERS.fullmatch(text) is not None or two_letters(text) is not None


def is_some(amount: str) -> bool:
    """Whether an amount is more than zero, or less."""
    return any(sign in "123456789" for sign in amount)


def whole_share(texts: Collection[str]) -> float:
    """The share of texts that are whole miles as they are."""
    return _share([fields.miles_amount(text) >= 0 for text in texts])


def guessed_amounts(texts: Collection[str]) -> tuple[AmountRules, float, AmountRules | None]:
    """How amounts are written, and for which share of the texts; and another way that fits as well
    and means other numbers. A minus, as of refunds, is left out of account.

    Args:
        texts: not blank.
    """
    plain = [text.lstrip("-") for text in texts]
    read = {rules: [whole_miles(text, _thousandths(rules)) for text in plain] for rules in _AMOUNTS}
    share = {rules: _share([value is not None for value in found]) for rules, found in read.items()}
    best = max(_AMOUNTS, key=lambda rules: share[rules])
    other = next((r for r in _AMOUNTS if share[r] == share[best] and read[r] != read[best]), None)
    return best, share[best], other


def _thousandths(rules: AmountRules) -> AmountRules:
    """So that decimals are not rounded away where two ways are compared."""
    return AmountRules(rules.decimal, rules.thousands, Decimal(1000))


def own_type(name: str) -> str:
    """The own event type that a source's name of an event can be: itself, where it can."""
    try:
        return checked_own([name])[0]
    except DataError:
        if name in EVENT_TYPES:
            return name
        plain = "".join(sign for sign in _REFUSED_SIGNS.sub(" ", name) if sign.isprintable())
        return plain.strip()[:MOST_LETTERS].strip() or "event"


def _share(found: Collection[bool]) -> float:
    return sum(found) / len(found) if found else 0.0


def lines_for_platforms(values: Mapping[str, int]) -> dict[str, str]:
    """Our platform by the source's value, of those that can be told and are none of ours yet."""
    return {
        text: ours
        for text in values
        if fields.platform_code(text) < 0 and (ours := platform_of(text)) is not None
    }
