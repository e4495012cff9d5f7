"""What a table is: its columns, their types and modes, its partitioning, clustering and key.

Each table is declared once, in its module of `transforms.marts` or `transforms.state`; the Arrow,
Parquet, DuckDB and BigQuery schemas follow from that declaration.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.measures import Measure, label_of
from transforms.quality.declaration import (
    EVENT_ID,
    SESSION_ID,
    ColumnCheck,
    Sequence,
    TableCheck,
)

Role: TypeAlias = Literal["dimension", "measure"]


class Type(enum.Enum):
    """A column's type, by its BigQuery name."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    BYTES = "BYTES"


STRING, INTEGER, FLOAT, BOOLEAN, DATE, TIMESTAMP, BYTES = Type

ARROW_TYPES: dict[Type, pa.DataType] = {
    STRING: pa.string(),
    INTEGER: pa.int64(),
    FLOAT: pa.float64(),
    BOOLEAN: pa.bool_(),
    DATE: pa.date32(),
    TIMESTAMP: pa.timestamp("us"),
    BYTES: pa.binary(),
}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: the column's name in every warehouse.
        type: its type.
        description: what it says, with its unit or formula.
        required: whether the schema forbids NULL.
        checks: what its values must keep; that of NULL follows from `never_null`.
        measure: how its numbers are read; None where it is a dimension, by which rows are told
            apart.
        label: its name for people; that of the column in words by default.
        is_added: whether it joined the table after its first release. Tables that exist take such
            a column only where the schema allows NULL, though no row that is written has one.
    """

    name: str
    type: Type
    description: str
    required: bool
    checks: tuple[ColumnCheck, ...] = ()
    measure: Measure | None = None
    label: str = ""
    is_added: bool = False

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", label_of(self.name))

    @property
    def role(self) -> Role:
        """Whether it tells rows apart, or is a number."""
        return "dimension" if self.measure is None else "measure"

    @property
    def heading(self) -> str:
        """The label, and the sign of the unit where it has one."""
        sign = self.measure.unit.sign if self.measure else ""
        return f"{self.label} ({sign})" if sign else self.label

    @property
    def never_null(self) -> bool:
        """Whether no row that is written has NULL, whatever the schema allows."""
        return self.required or self.is_added

    @property
    def is_id(self) -> bool:
        """Whether it holds the ids of events or sessions: long texts that hardly repeat."""
        return not {EVENT_ID, SESSION_ID}.isdisjoint(self.checks)

    @property
    def arrow(self) -> pa.Field:
        """The column as an Arrow field; TIMESTAMP is in microseconds, UTC, without a zone."""
        return pa.field(self.name, ARROW_TYPES[self.type], nullable=not self.required)


class _Read(TypedDict, total=False):
    """How people read a column, as its fields of these names say."""

    measure: Measure | None
    label: str


def required(
    name: str, type: Type, description: str, *checks: ColumnCheck, **read: Unpack[_Read]
) -> Column:
    """A column that is never NULL."""
    return Column(name, type, description, True, checks, **read)


def nullable(
    name: str, type: Type, description: str, *checks: ColumnCheck, **read: Unpack[_Read]
) -> Column:
    """A column that may be NULL."""
    return Column(name, type, description, False, checks, **read)


def added(
    name: str, type: Type, description: str, *checks: ColumnCheck, **read: Unpack[_Read]
) -> Column:
    """A column that joined the table after its first release: NULLABLE, and NULL in no row."""
    return Column(name, type, description, False, checks, is_added=True, **read)


@dataclass(frozen=True)
class Partition:
    """Time partitioning.

    Attributes:
        column: a DATE or TIMESTAMP column.
        by: how long a partition is.
        moves: whether a row may change its partition and keep its key.
    """

    column: str
    by: Literal["DAY", "MONTH"]
    moves: bool = False

    def of(self, rows: pa.Table) -> NDArray[np.int64]:
        """The partitions of some rows: int64 [distinct], days since 1970 on which they begin."""
        dates = pc.unique(rows[self.column].cast(pa.date32(), safe=False))
        if self.by == "MONTH":
            dates = pc.unique(pc.floor_temporal(dates, unit="month"))
        return np.sort(dates.cast(pa.int32()).to_numpy().astype(np.int64))


@dataclass(frozen=True)
class Table:
    """The contract of one table.

    Attributes:
        name: the table's name.
        description: one sentence on what a row is.
        columns: in the order in which every warehouse has them.
        partition: time partitioning, if any.
        clustering: columns that the warehouse sorts by within a partition.
        primary_key: columns that are unique together; empty where rows are only appended.
        found_by: a column that follows from the primary key, and of whose values few rows have the
            same: where no index leads to a key, rows are looked up by it first.
        written_at: the column that holds the moment of writing: the one in which two runs over
            the same events may differ, and by which the newer row wins in a merge.
        checks: what its rows must keep, beside the checks of its columns; that the primary key is
            unique follows from it.
        sequence: in which order its rows follow each other, for checks that compare a row with
            the one before; by default that of the primary key.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    partition: Partition | None = None
    clustering: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    found_by: str | None = None
    written_at: str | None = None
    checks: tuple[TableCheck, ...] = ()
    sequence: Sequence | None = None

    def __post_init__(self) -> None:
        names = self.column_names
        named = {
            *self.clustering,
            *self.primary_key,
            *([self.partition.column] if self.partition else []),
            *(name for name in (self.found_by, self.written_at) if name),
        }
        if len(set(names)) != len(names) or not named <= set(names):
            raise ValueError(
                f"table {self.name}: column names must be unique, and partition, clustering, key, "
                f"found_by and written_at must name columns of it; got {sorted(named)} of "
                f"{list(names)}"
            )
        if [column.is_added for column in self.columns] != sorted(
            column.is_added for column in self.columns
        ):
            raise ValueError(f"table {self.name}: added columns stand behind all others")

    def __hash__(self) -> int:
        """That of the name: a step of a stream unpickles dicts by table in each bundle."""
        return hash(self.name)

    @property
    def order(self) -> Sequence:
        """In which order the rows follow each other."""
        return self.sequence or Sequence(self.primary_key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of that name, if the table has it."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def days(self) -> str:
        """The column by which it is partitioned.

        Raises:
            ValueError: if it is not.
        """
        if self.partition is None:
            raise ValueError(f"table {self.name} has no partitions")
        return self.partition.column

    @property
    def deletes(self) -> Table:
        """The contract of staged rows that leave the table: its key and `written_at`."""
        kept = (*self.primary_key, self.written_at)
        columns = tuple(column for column in self.columns if column.name in kept)
        # Files that a running job has staged carry this name in its state.
        return Table(f"{self.name}_removals", f"Keys that leave {self.name}.", columns)

    @property
    def appended(self) -> Table:
        """The contract of staged rows whose keys the table surely has not: it holds them as soon as
        they are appended, and nobody need look for the keys."""
        return replace(self, name=f"{self.name}_appended")

    def matching(self, columns: tuple[str, ...]) -> Table:
        """The contract of staged values of some columns: rows that have them leave the table.

        Where a row's partition is known, its column belongs among them: the others are not read.

        Raises:
            ValueError: if the table has no such column.
        """
        found = tuple(column for column in self.columns if column.name in columns)
        if not columns or len(found) != len(columns):
            raise ValueError(f"table {self.name} has no columns {', '.join(columns)}")
        partition = self.partition if self.partition and self.partition.column in columns else None
        return Table(
            f"{self.name}_by_{'_and_'.join(column.name for column in found)}",
            f"Values that rows which leave {self.name} have.",
            tuple(replace(column, required=True) for column in found),
            partition,
        )

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow (and so Parquet) schema of the table's rows."""
        return pa.schema([column.arrow for column in self.columns])

    def build(self, columns: dict[str, Any]) -> pa.Table:
        """Rows of this table from arrays by column name, in the contract's order and types.

        Args:
            columns: for each column an Arrow array or a NumPy array of equal length, or an Arrow
                scalar for all rows; NaN in a FLOAT column is NULL. A dictionary-encoded array of
                strings stays one. The first column is an array.

        Returns:
            A table with the schema `arrow_schema`, but for dictionary-encoded strings.

        Raises:
            ValueError: if a column is missing, unknown, of the wrong type, or NULL where it may
                never be.
        """
        if set(columns) != set(self.column_names):
            differing = set(columns).symmetric_difference(self.column_names)
            raise ValueError(f"table {self.name}: missing or unknown columns {sorted(differing)}")
        rows = len(columns[self.column_names[0]])
        arrays = [self._array(column, columns[column.name], rows) for column in self.columns]
        fields = [
            column.arrow.with_type(array.type)
            for column, array in zip(self.columns, arrays, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _array(self, column: Column, values: Any, rows: int) -> pa.Array | pa.ChunkedArray:
        wanted = ARROW_TYPES[column.type]
        if isinstance(values, pa.Scalar):
            values = pa.repeat(values, rows)
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.array(values, type=wanted, from_pandas=True)
        if values.type not in (wanted, pa.dictionary(pa.int32(), wanted)):
            values = values.cast(wanted)
        if column.never_null and values.null_count:
            raise ValueError(f"table {self.name}: {column.name} is never NULL but has NULL values")
        return values
