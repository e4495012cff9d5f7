"""What can be asked of a table: the kinds of checks, declared beside the columns they guard.

Conditions are SQL of BigQuery (GoogleSQL) on one row. What DuckDB lacks of it are four macros, see
`transforms.google_sql.MACROS`: UNIX_DATE, UNIX_MICROS, DATETIME, REGEXP_CONTAINS, DIV. Beside the
columns of the row a condition may name

- `previous_x`: column x of the row before, by the table's `Sequence`; NULL in the first row;
- `table.x`: column x of the row with the same primary key in another table; NULL without one;
- `ACTIVE_EVENTS`, in dim_users: above 0 where the user has events that make a user active.

A condition that is NULL is neither kept nor broken, as in a CHECK constraint.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warn"]
Bound: TypeAlias = int | float | datetime


@dataclass(frozen=True)
class OneOf:
    """The column is one of these values, or NULL."""

    values: tuple[str | int, ...]
    severity: Severity = "error"


@dataclass(frozen=True)
class InRange:
    """The column lies between two bounds, both included, or is NULL; None for no bound."""

    low: Bound | None = None
    high: Bound | None = None
    severity: Severity = "error"


@dataclass(frozen=True)
class Matches:
    """All of the column matches a regular expression (without a backslash), or it is NULL.

    Attributes:
        pattern: the expression.
        what: what such a value is.
    """

    pattern: str
    what: str
    severity: Severity = "error"


ColumnCheck: TypeAlias = OneOf | InRange | Matches


def one_of(*values: str | int) -> OneOf:
    """The column is one of these values."""
    return OneOf(values)


def at_least(low: Bound) -> InRange:
    """The column is not below a bound."""
    return InRange(low)


def between(low: Bound, high: Bound) -> InRange:
    """The column lies between two bounds, both included."""
    return InRange(low, high)


# Six bits each, in the order in which their characters sort.
ID_DIGITS: Final = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
EVENT_ID_DIGITS: Final = 22
SESSION_ID_DIGITS: Final = 28


def _id_text(length: int) -> Matches:
    return Matches(f"^[-0-9A-Z_a-z]{{{length}}}$", f"{length} letters, digits, - or _")


HEX_ID = Matches("^[0-9a-f]{32}$", "32 hexadecimal digits")
EVENT_ID = _id_text(EVENT_ID_DIGITS)
SESSION_ID = _id_text(SESSION_ID_DIGITS)
LOWER_CASE = Matches("^[^A-Z]*$", "lower case")
COUNTRY = Matches("^[A-Z]{2}$", "two upper-case letters")
PERCENTAGE = between(0.0, 100.0)


@dataclass(frozen=True)
class Holds:
    """A condition holds in every row.

    Attributes:
        name: of the check within the table.
        condition: as the module says.
        description: the rule in one line.
    """

    name: str
    condition: str
    description: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Unique:
    """No two rows have the same values in some columns, NULL aside.

    Attributes:
        name: of the check within the table.
        columns: that are unique together.
        where: (column, value): only such rows count.
    """

    name: str
    columns: tuple[str, ...]
    where: tuple[str, int | bool] | None = None
    severity: Severity = "error"


@dataclass(frozen=True)
class References:
    """Every value of a column stands in a column of another table.

    Attributes:
        column: of the table.
        table: the other table.
        other: the other table's column.
        where: (column, value): only such rows count.
    """

    column: str
    table: str
    other: str
    where: tuple[str, int | bool] | None = None
    severity: Severity = "error"


@dataclass(frozen=True)
class Total:
    """The sum of an expression over the rows of a table.

    Attributes:
        table: its name; RUN for what the run has counted.
        expression: an integer for each row, as a condition may name it.
    """

    table: str
    expression: str

    @property
    def key(self) -> str:
        """By what `CheckCounts.totals` knows it."""
        return f"{self.table}: {self.expression}"


# As a table: the run itself, whose columns are `input_rows`, `duplicates` and `forgotten`.
RUN = "run"


@dataclass(frozen=True)
class AddsUp:
    """Two sums of totals, over whichever tables, are equal.

    Attributes:
        name: of the check within the table.
        left, right: what is summed up on either side.
        description: the rule in one line.
    """

    name: str
    left: tuple[Total, ...]
    right: tuple[Total, ...]
    description: str
    severity: Severity = "error"


TableCheck: TypeAlias = Holds | Unique | References | AddsUp


@dataclass(frozen=True)
class Sequence:
    """In which order the rows of a table follow each other.

    Attributes:
        by: columns that order them.
        within: columns within which they do; a row has none before it in another group.
    """

    by: tuple[str, ...]
    within: tuple[str, ...] = ()


def is_quotient(column: str, numerator: str, denominator: str) -> Holds:
    """The column is numerator / denominator, bit by bit, and NULL where the denominator is none."""
    return Holds(
        f"{column}.formula",
        f"CASE WHEN {column} IS NULL THEN COALESCE({denominator}, 0) = 0 "
        f"ELSE {denominator} <> 0 AND {column} = ({numerator}) / NULLIF({denominator}, 0) END",
        f"{column} = {numerator} / {denominator}, NULL where that is 0",
    )


def is_percentage(column: str, part: str, whole: str) -> Holds:
    """The column is (100 x part) / whole, bit by bit, and NULL where the whole is none."""
    return is_quotient(column, f"100 * {part}", whole)


def is_rounded(column: str, numerator: str, denominator: str) -> Holds:
    """The column is numerator / denominator, rounded half up, and NULL where there is none."""
    return Holds(
        f"{column}.formula",
        f"CASE WHEN {column} IS NULL THEN {denominator} = 0 ELSE {denominator} <> 0 "
        f"AND {column} = FLOOR(({numerator}) / NULLIF({denominator}, 0) + 0.5) END",
        f"{column} = {numerator} / {denominator}, rounded half up, NULL where that is 0",
    )


def is_label(
    column: str, cases: tuple[tuple[str, str], ...], otherwise: str, unknown: str = "FALSE"
) -> Holds:
    """The column is the label of the first case that holds; other values are for `one_of`.

    Args:
        column: of labels.
        cases: (condition, label); one that is NULL does not hold.
        otherwise: the label where none holds.
        unknown: a condition under which the column is NULL instead.
    """
    whens = " ".join(f"WHEN {condition} THEN '{name}'" for condition, name in cases)
    listed = "; ".join(f"{condition}: {name}" for condition, name in cases)
    return Holds(
        f"{column}.formula",
        f"CASE WHEN {column} IS NULL THEN {unknown} WHEN {unknown} THEN FALSE "
        f"ELSE {column} = CASE {whens} ELSE '{otherwise}' END END",
        f"{column} is the first that holds: {listed}; else {otherwise}"
        + ("" if unknown == "FALSE" else f"; NULL where {unknown}"),
    )
