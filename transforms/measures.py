"""What a reader must know of a number: its unit, what may be added up, and what a ratio is of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from transforms.quality.declaration import Holds, is_quotient

Aggregation: TypeAlias = Literal["sum", "ratio", "mean"]


@dataclass(frozen=True)
class Unit:
    """What a number counts or measures.

    Attributes:
        name: in words, of more than one.
        format: of such a number, as d3 writes it.
        sign: what stands behind it; empty for nothing.
        is_ratio: whether it is of one number for another.
    """

    name: str
    format: str = ",d"
    sign: str = ""
    is_ratio: bool = False


USERS: Final = Unit("users")
EVENTS: Final = Unit("events")
SESSIONS: Final = Unit("sessions")
MILES: Final = Unit("miles")
RETURNS: Final = Unit("returns")
DATES: Final = Unit("dates")
DAYS: Final = Unit("days")
ROWS: Final = Unit("rows")
SECONDS: Final = Unit("seconds")
POINTS: Final = Unit("points", ",.1f")
PERCENT: Final = Unit("percent", ",.1f", "%", is_ratio=True)
RATIO: Final = Unit("ratio", ",.2f", is_ratio=True)
EVENTS_PER_USER: Final = Unit("events per user", ",.2f", is_ratio=True)
EVENTS_PER_SESSION: Final = Unit("events per session", ",.2f", is_ratio=True)
SESSIONS_PER_USER: Final = Unit("sessions per user", ",.2f", is_ratio=True)


@dataclass(frozen=True)
class Measure:
    """How a column of numbers is read.

    Attributes:
        unit: of its numbers.
        aggregation: what may be done to several rows. `sum`: what is counted is counted in one row
            alone. `ratio`: the sum of numerators over the sum of denominators. `mean`: nothing is
            added up, because distinct users, or what accumulates, would count again in each row;
            a mean of the rows is a mean.
        numerator, denominator: SQL of a condition (see `transforms.quality.declaration`), of which
            the column is the quotient; empty where it is none.
        scale: the factor of the numerator.
        otherwise: of a ratio what it is of, where that is in no column.
        is_checked: whether the check of the formula follows from it; otherwise the table declares
            one itself, as where the row before counts, of which there may be none.
    """

    unit: Unit
    aggregation: Aggregation
    numerator: str = ""
    denominator: str = ""
    scale: int = 1
    otherwise: str = ""
    is_checked: bool = True

    @property
    def format(self) -> str:
        """Of the column's numbers, as d3 writes it; means of whole numbers have a decimal."""
        counts = self.unit.format == ",d" and self.aggregation != "sum"
        return ",.1f" if counts else self.unit.format

    def over_rows(self, column: str) -> str:
        """SQL for the measure over several rows."""
        if self.aggregation == "ratio":
            return f"SUM({self.scaled}) / NULLIF(SUM({self.denominator}), 0)"
        return f"{'SUM' if self.aggregation == 'sum' else 'AVG'}({column})"

    @property
    def scaled(self) -> str:
        """The numerator as it is divided."""
        return self.numerator if self.scale == 1 else f"{self.scale} * {_factor(self.numerator)}"

    def check(self, column: str) -> Holds | None:
        """What a column of the measure must keep; None where nothing follows."""
        if not self.numerator or not self.is_checked:
            return None
        return is_quotient(column, self.scaled, self.denominator)

    @property
    def of_row_before(self) -> Measure:
        """The same where the row before counts: nothing is pooled, and the table has the check."""
        return replace(self, aggregation="mean", is_checked=False)


def quotient(numerator: str, denominator: str, unit: Unit = RATIO, scale: int = 1) -> Measure:
    """scale x numerator / denominator, NULL where that is 0; pooled where the row has both."""
    is_own = "." not in f"{numerator}{denominator}"
    return Measure(unit, "ratio" if is_own else "mean", numerator, denominator, scale)


def percentage_of(part: str, whole: str) -> Measure:
    """100 x part / whole."""
    return quotient(part, whole, PERCENT, 100)


def average_of(unit: Unit) -> Measure:
    """A mean over a window, or of what a row counts."""
    return Measure(unit, "mean")


def ratio_of(otherwise: str, unit: Unit) -> Measure:
    """A ratio of what is in no column."""
    return Measure(unit, "mean", otherwise=otherwise)


# A user is new once; who is active in a period may be so in the next one, too.
USERS_ONCE: Final = Measure(USERS, "sum")
USERS_OF_PERIOD: Final = Measure(USERS, "mean")
EVENTS_ONCE: Final = Measure(EVENTS, "sum")
SESSIONS_ONCE: Final = Measure(SESSIONS, "sum")
MILES_ONCE: Final = Measure(MILES, "sum")
MILES_SO_FAR: Final = Measure(MILES, "mean")
RETURNS_ONCE: Final = Measure(RETURNS, "sum")
MILES_MEAN: Final = average_of(MILES)
SCORE: Final = Measure(POINTS, "mean")
QUICK_RATIO: Final = quotient("new_users + resurrected_users", "churned_users")

_WORDS: Final = {
    "dau": "DAU",
    "wau": "WAU",
    "mau": "MAU",
    "id": "ID",
    "pct": "share",
    "ios": "iOS",
    "avg": "average",
    "utm": "UTM",
}


def label_of(name: str) -> str:
    """A column's name in words.

    >>> label_of("dau_mau_stickiness")
    'DAU MAU stickiness'
    """
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words if words.startswith("iOS") else f"{words[:1].upper()}{words[1:]}"


def _factor(expression: str) -> str:
    is_plain = all(sign.isalnum() or sign in "_." for sign in expression)
    return expression if is_plain or expression.startswith("(") else f"({expression})"
