"""Values as they are called elsewhere -> ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from transforms.kernels import fields
from transforms.rules.countries import two_letters
from transforms.rules.model import Rules, ValueMap
from transforms.vocabulary import EVENT_TYPES

# Columns whose values may be mapped; of those with False upper and lower case are the same, as they
# are for the parser.
MAPPED: Final = {
    "event_type": True,
    "transaction_category": True,
    "platform": False,
    "utm_source": False,
    "country": False,
}


def value_rule(name: str, rules: Rules) -> Callable[[Sequence[str]], list[str]] | None:
    """What becomes of values of a column that are not blank; None where they stay as they are.

    A line of the map comes first; then a value that is ours already stays; then a country's name
    becomes its two letters; then the first pattern counts that fits; then `*` is for all others.

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

    def known(text: str) -> str | None:
        value = lines.get(value_key(name, text))
        if value is not None:
            return value
        if is_ours(text):
            return text
        return two_letters(text) if name == "country" else None

    def ours(texts: Sequence[str]) -> list[str]:
        found = {text: value for text in texts if (value := known(text)) is not None}
        rest = [text for text in texts if text not in found]
        found.update(_by_patterns(name, rest, mapping.patterns))
        return [
            found.get(text, text if mapping.others is None else mapping.others) for text in texts
        ]

    return ours


def _by_patterns(
    name: str, texts: Sequence[str], patterns: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Our value of each text that a pattern fits; all together, as one by one takes long."""
    keys = [value_key(name, text) for text in texts]
    by_key: dict[str, str] = {}
    rest = pa.array(dict.fromkeys(keys), pa.string())
    for pattern, ours in patterns:
        # RE2 takes time in proportion to the text, whatever the pattern.
        fits = pc.match_substring_regex(rest, pattern, ignore_case=not MAPPED[name])
        by_key.update(dict.fromkeys(rest.filter(fits).to_pylist(), ours))
        rest = rest.filter(pc.invert(fits))
    return {text: by_key[key] for text, key in zip(texts, keys, strict=True) if key in by_key}


def value_key(name: str, text: str) -> str:
    """What is the same for values of a column that are one and the same to rules."""
    text = text.strip()
    return text if MAPPED[name] else text.casefold()


def _is_ours(name: str, rules: Rules) -> Callable[[str], bool]:
    """Whether a value is one of ours; of columns that take anything, none is."""
    if name == "event_type":
        # Where all names are types, what a pattern fits is none, whatever was found before.
        types = EVENT_TYPES if rules.takes_all_types else rules.event_types
        return lambda text: text.strip() in types
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
