"""How a home spells the SQL that both are asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transforms.contract import Type

# The sum of a column's numbers as SQL, by type: see `transforms.kernels.figures`.
Sums = Mapping[Type, Callable[[str], str]]


@dataclass(frozen=True)
class Dialect:
    """How a home spells SQL.

    Attributes:
        quote: the character around names.
        types: its names of the types.
        sums: its sums of columns.
    """

    quote: str
    types: Mapping[Type, str]
    sums: Sums

    def name(self, name: str) -> str:
        """A column's name, quoted."""
        return f"{self.quote}{name}{self.quote}"
