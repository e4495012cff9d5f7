"""Countries by their names and three letters.

countries.tsv has a line for each: its two letters, its three, and its names: in English those of
ISO 3166-1 and of Unicode's CLDR 48 (which Babel 2.19 has) and a few that are still in use, in
German, French, Spanish, Italian, Portuguese and Dutch those of CLDR.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Final

_NOT_OF_A_NAME: Final = re.compile(r"[^\w]+")


def two_letters(name: str) -> str | None:
    """The two letters of the country of a name or three letters; None where there is none.

    Case, accents, punctuation, `&` for `and` and a `the` do not matter.
    """
    return _countries().get(_folded(name))


@cache
def _countries() -> Mapping[str, str]:
    from importlib.resources import files  # Takes 10 ms, and most runs ask for no country.

    lines = files("transforms.rules").joinpath("countries.tsv").read_text("utf-8").splitlines()
    table = [line.split("\t") for line in lines]
    return {_folded(name): code for code, *names in table for name in names}


def _folded(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name.casefold().replace("&", " and "))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(word for word in _NOT_OF_A_NAME.sub(" ", plain).split() if word != "the")
