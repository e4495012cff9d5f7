"""What a chart of the report is: words, numbers, and a Vega-Lite specification as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pipeline.report.mart_rows import Row, as_json
from transforms.contract import Column as ContractColumn
from transforms.contract import Table

Spec: TypeAlias = dict[str, Any]
Grain: TypeAlias = Literal["day", "week", "month"]
# The script of the page knows it by this name.
RUNNING_LAYER: Final = "running"


@dataclass(frozen=True)
class Column:
    """A column of a chart's numbers.

    Attributes:
        name: in the rows.
        label: its heading, with the unit.
    """

    name: str
    label: str


def of_table(table: Table, *names: str) -> tuple[Column, ...]:
    """Columns of a table, by the labels that its contract has for them."""
    return tuple(Column(name, declared(table, name).heading) for name in names)


def declared(table: Table, name: str) -> ContractColumn:
    """What a table's contract says of a column.

    Raises:
        ValueError: if it has none of the name.
    """
    found = table.column(name)
    if found is None:
        raise ValueError(f"{table.name} has no column {name}")
    return found


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        name: stable; letters and hyphens.
        title: what it shows.
        definition: how its figures are defined, in a sentence or two.
        alternative: what a person who does not see it should know.
        columns: of its table of numbers; they are all that the page holds of `rows`.
        rows: its numbers.
        figures: the columns that are drawn; what has no value in one of them is said instead.
        spec: Vega-Lite, without data, width and size. A layer of the name in `RUNNING_LAYER` is
            left out where no figure's period runs.
        time: the column by which a range of time is chosen; None where none is.
        segment: the column by which a segment is chosen; None where none is.
        wide: whether it takes the page's whole width.
        source: the tables that it is made of.
    """

    name: str
    title: str
    definition: str
    alternative: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    figures: Sequence[str]
    spec: Spec
    source: str
    time: str | None = None
    segment: str | None = None
    wide: bool = False

    @property
    def data(self) -> Mapping[str, Any]:
        """What the page's script is given, as JSON: numbers by column, not by row, which takes a
        third of the room."""
        return {
            "name": self.name,
            "spec": self.spec,
            "time": self.time,
            "segment": self.segment,
            "figures": list(self.figures),
            "columns": [{"name": column.name, "label": column.label} for column in self.columns],
            "values": {
                column.name: [as_json(row[column.name]) for row in self.rows]
                for column in self.columns
            },
        }


@dataclass(frozen=True)
class Section:
    """Charts under one heading."""

    name: str
    heading: str
    charts: Sequence[Chart]
