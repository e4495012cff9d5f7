"""Amounts as they are written elsewhere -> whole miles."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Final

from transforms.kernels.fields import MOST_MILES
from transforms.rules.model import AmountRules

# What may stand before or behind a number and says nothing of it.
_CURRENCIES: Final = "$€£¥₹ \u00a0\u202f"
# More digits than any amount up to MOST_MILES has with its decimals: nothing is rounded on the way.
_EXACT: Final = Context(prec=200)
_LONGEST: Final = 100


def whole_miles(text: str, rules: AmountRules) -> str | None:
    """The whole miles of an amount, half a mile rounded up.

    Args:
        text: not blank; signs of currencies around it are left out.
        rules: how it is written, and how many miles a unit is.

    Returns:
        None where it is no such number, or below 0; what is more than MOST_MILES as one more.
    """
    text = text.strip().strip(_CURRENCIES)
    if len(text) > _LONGEST or not _pattern(rules.decimal, rules.thousands).fullmatch(text):
        return None
    if rules.thousands is not None:
        text = text.replace(rules.thousands, "")
    amount = _EXACT.multiply(Decimal(text.replace(rules.decimal, ".")), rules.miles_per_unit)
    # An exponent may make a number of any length, so that it is compared before it is written out.
    miles = min(amount.to_integral_value(ROUND_HALF_UP, _EXACT), Decimal(MOST_MILES + 1))
    return None if miles < 0 else str(int(miles))


@cache
def _pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    """A number; where there is a sign for thousands, its groups must be of three digits: else
    `1.5` would become 15."""
    whole = "[0-9]+"
    if thousands is not None:
        whole = rf"(?:[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|[0-9]+)"
    return re.compile(rf"[+-]?{whole}(?:{re.escape(decimal)}[0-9]+)?(?:[eE][+-]?[0-9]{{1,3}})?")
