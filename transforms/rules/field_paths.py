"""The names by which rules call a source's fields: columns, and what lies inside them."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, NamedTuple

# A name, or in brackets a key of a list of keys and values; `items[0]` is the first of a list.
_STEP: Final = re.compile(r"(?:\.|^)([^.\[\]]+)|\[([^\[\]]+)\]")


class Step(NamedTuple):
    """One step into an object, a struct, a list or a map.

    Attributes:
        name: of a field or key.
        in_brackets: whether it was written so: then it may be the key of an item of a list.
    """

    name: str
    in_brackets: bool = False

    @property
    def place(self) -> int | None:
        """Which item of a list it is, from 0; None where it is none."""
        return int(self.name) if self.name.isascii() and self.name.isdigit() else None


@dataclass(frozen=True)
class FieldPath:
    """A field by the name that rules give it.

    Attributes:
        text: as it is written, which is a column's name first of all.
        steps: the way to it, from the outside in.
    """

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, text: str) -> FieldPath:
        """The path that a text spells; one that spells none is a name and nothing else."""
        found = list(_STEP.finditer(text))
        if text.startswith(".") or "".join(match[0] for match in found) != text:
            return cls(text, (Step(text),))
        return cls(text, tuple(Step(m[1] or m[2], m[1] is None) for m in found))

    @property
    def column_names(self) -> tuple[str, ...]:
        """What the column may be called in which the field is, the likeliest first."""
        return (self.text, *(".".join(names) for names in reversed(self._beginnings())))

    def within(self, columns: Container[str]) -> tuple[str, tuple[Step, ...]] | None:
        """The column in which the field is, and the steps that lead on from it.

        Args:
            columns: the names of those that the source has.

        Returns:
            None where it has no such column.
        """
        if self.text in columns:
            return self.text, ()
        for names in reversed(self._beginnings()):
            if (name := ".".join(names)) in columns:
                return name, self.steps[len(names) :]
        return None

    def _beginnings(self) -> list[list[str]]:
        """The steps before the first bracket: the first of them, the first two, ..."""
        plain = []
        for step in self.steps:
            if step.in_brackets:
                break
            plain.append(step.name)
        return [plain[:length] for length in range(1, len(plain) + 1)]
