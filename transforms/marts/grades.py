"""Labels of figures: one value is the column's description, its check and its computation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from transforms.contract import STRING, Column, nullable, required
from transforms.kernels.arithmetic import Floats, Ints, Masks, first_that_holds
from transforms.quality.declaration import Holds, is_label, one_of

_RELATIONS: Final[Mapping[str, Callable[[Any, Any], Masks]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Step(NamedTuple):
    """A bound of a figure, and the label of figures on its side: `Step("<", 1.5, "Healthy")`."""

    relation: str
    bound: int | float
    label: str


@dataclass(frozen=True)
class Grades:
    """The label of a figure: that of the first step that holds.

    Attributes:
        of: the figure: the name of a column of the row, or of the row of the same key in another
            table. Where the figure is no column, words that say what it is; then there is no check.
        steps: in order.
        otherwise: the label where no step holds.
        unknown: the label where the figure is NULL; None for NULL.
        always: whether the figure is never NULL.
    """

    of: str
    steps: tuple[Step, ...]
    otherwise: str
    unknown: str | None = None
    always: bool = False

    def column(self, name: str, description: str | None = None) -> Column:
        """The column of labels: NULL where the figure is NULL and that has no label.

        Args:
            name: of the column.
            description: None to list the steps.
        """
        declare = required if self.always or self.unknown else nullable
        return declare(name, STRING, description or self._description(), one_of(*self._labels()))

    def check(self, column: str) -> Holds:
        """That a column has the labels of the figure."""
        cases = tuple(
            (f"{self.of} {relation} {bound}", label) for relation, bound, label in self.steps
        )
        if self.unknown is None:
            return is_label(column, cases, self.otherwise, unknown=f"{self.of} IS NULL")
        return is_label(column, ((f"{self.of} IS NULL", self.unknown), *cases), self.otherwise)

    def labels(self, figures: Floats | Ints) -> pa.Array:
        """The label of each figure: string; NaN is NULL."""
        known = ~np.isnan(figures)
        cases = [
            (known & _RELATIONS[relation](figures, bound), label)
            for relation, bound, label in self.steps
        ]
        return first_that_holds([*cases, (known, self.otherwise)], self.unknown)

    def _labels(self) -> list[str]:
        named = [] if self.unknown is None else [self.unknown]
        return [*named, *(step.label for step in self.steps), self.otherwise]

    def _description(self) -> str:
        none = [] if self.unknown is None else [f"none {self.unknown}"]
        steps = [f"{relation} {bound} {label}" for relation, bound, label in self.steps]
        return f"Of {self.of}: {', '.join([*none, *steps])}, else {self.otherwise}"


@dataclass(frozen=True)
class Cases:
    """The label of a row: that of the first case that holds.

    Attributes:
        cases: (condition, label), a condition as in checks.
        otherwise: the label where no case holds.
    """

    cases: tuple[tuple[str, str], ...]
    otherwise: str

    def column(self, name: str, description: str) -> Column:
        """The column of labels."""
        return required(
            name, STRING, description, one_of(*(label for _, label in self.cases), self.otherwise)
        )

    def check(self, column: str) -> Holds:
        """That a column has the labels of its row."""
        return is_label(column, self.cases, self.otherwise)

    def labels(self, *holds: Masks) -> pa.Array:
        """The labels, string, from where each case holds, in order."""
        named = (label for _, label in self.cases)
        return first_that_holds(list(zip(holds, named, strict=True)), self.otherwise)
