"""Values as they are called elsewhere -> ours, one value at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from transforms.kernels import fields
from transforms.rules.countries import two_letters
from transforms.rules.model import Rules, ValueMap

# Columns whose values may be mapped; of those with False upper and lower case are the same, as they
# are for the parser.
MAPPED: Final = {
    "event_type": True,
    "transaction_category": True,
    "platform": False,
    "utm_source": False,
    "country": False,
}


def value_rule(name: str, rules: Rules) -> Callable[[str], str] | None:
    """What becomes of a value of a column that is not blank; None where it stays as it is.

    A line of the map comes first; then a value that is ours already stays; then a country's name
    becomes its two letters; then `*` is for all others.

    Args:
        name: of our column, one of MAPPED.
        rules: the rules.
    """
    found = rules.values.get(name)
    if found is None and name != "country":
        return None
    mapping = found or ValueMap()
    lines = {value_key(name, text): ours for text, ours in mapping.lines.items()}
    is_ours = _is_ours(name, rules)

    def ours(text: str) -> str:
        value = lines.get(value_key(name, text))
        if value is not None:
            return value
        if is_ours(text):
            return text
        if name == "country" and (code := two_letters(text)) is not None:
            return code
        return text if mapping.others is None else mapping.others

    return ours


def value_key(name: str, text: str) -> str:
    """What is the same for values of a column that are one and the same to rules."""
    text = text.strip()
    return text if MAPPED[name] else text.casefold()


def _is_ours(name: str, rules: Rules) -> Callable[[str], bool]:
    """Whether a value is one of ours; of columns that take anything, none is."""
    if name == "event_type":
        return lambda text: text.strip() in rules.event_types
    if name == "platform":
        return lambda text: fields.platform_code(text) >= 0
    if name == "country":
        return _is_country
    return lambda text: False


def _is_country(text: str) -> bool:
    if two_letters(text) is not None:  # UK and EL are other names of GB and GR.
        return False
    try:
        return fields.country(text) is not None
    except ValueError:
        return False
