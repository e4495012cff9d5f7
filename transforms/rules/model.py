"""What rules say: how the records of a source become the eight source columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Final

from transforms.kernels.input_formats import Given
from transforms.kernels.rates import Rates
from transforms.reckoning import PLAIN
from transforms.rules.field_paths import FieldPath
from transforms.vocabulary import EVENT_ID, EVENT_TYPES, SOURCE_COLUMNS

ISO: Final = "iso"
# How many microseconds one of it has.
EPOCHS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

# Before a field of exclude.where, among names of our columns.
WHERE: Final = "exclude.where."
# Our columns of which each row may have another value.
_MANY_VALUES: Final = frozenset({"event_time", "user_id", EVENT_ID})

# Of [values]: for every value that has no line of its own, and is none of ours. As own of
# [event_types]: all names.
OTHERS: Final = "*"


@dataclass(frozen=True)
class Column:
    """Where one of our columns comes from.

    Attributes:
        fields: the source's names, in order of preference: the first that is not blank counts.
        default: our value where all of them are blank; of a constant column, everywhere.
        optional: whether a source may have none of them: they are blank then.
    """

    fields: tuple[str, ...] = ()
    default: str | None = None
    optional: bool = False

    @cached_property
    def paths(self) -> tuple[FieldPath, ...]:
        """The fields, with the ways that lead to them."""
        return tuple(map(FieldPath.of, self.fields))


@dataclass(frozen=True)
class TimeRules:
    """How event times are written.

    Attributes:
        formats: `iso`, one of EPOCHS, or patterns of strptime; the first that fits counts.
        zone: of local times, which have no offset; None for UTC.
        earliest: the date, in UTC, before which an event is none.
    """

    formats: tuple[str, ...] = (ISO,)
    zone: str | None = None
    earliest: date = PLAIN.earliest


@dataclass(frozen=True)
class AmountRules:
    """How amounts are written, and what they are in miles.

    Attributes:
        decimal: what stands before the decimals.
        thousands: what may stand between groups of three digits; None for nothing.
        miles_per_unit: by how much an amount is multiplied.
    """

    decimal: str = "."
    thousands: str | None = None
    miles_per_unit: Decimal = Decimal(1)


@dataclass(frozen=True)
class ValueMap:
    """What the values of a column are called here.

    Attributes:
        lines: our value by the source's.
        others: our value of every other one; None leaves it as it is.
        patterns: regular expressions with our value of those values of which a part fits, and which
            have no line; the first that fits counts.
    """

    lines: Mapping[str, str] = field(default_factory=dict)
    others: str | None = None
    patterns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Exclude:
    """Which records are left out.

    Attributes:
        ids: those of users of the source.
        patterns: regular expressions; those of whose user id a part fits one.
        where: by fields of the source such patterns.
        keep: whether they become dead letters.
        events_per_day, events_per_session: those of users who have more events on a date, or in a
            session; None for as many as they like.
    """

    ids: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keep: bool = False
    events_per_day: int | None = None
    events_per_session: int | None = None

    @property
    def is_any(self) -> bool:
        """Whether they leave records out by what stands in them."""
        return bool(self.ids or self.patterns or self.where)

    @property
    def rates(self) -> Rates:
        """Which users are left out by how many events they have."""
        return Rates(self.events_per_day, self.events_per_session, self.keep)


@dataclass(frozen=True)
class Rules:
    """All that a file of rules says. Workers get it by pickle.

    Attributes:
        input: what files are; what is left out is found out from each.
        columns: by the names of our columns where they come from; one that is missing comes from
            the source's column of the same name.
        time: how event times are written.
        amount: how amounts are; None for whole miles.
        values: by the names of our columns what values are called here.
        own_event_types: event types beside the five.
        takes_all_types: whether every name that a run's files have is an event type; the run adds
            what it finds to `own_event_types`, and what is noted and compared has none.
        session_gap_minutes: after how long a pause another session begins.
        exclude: which records are left out.
        ids_file: where there are further ids of these, until they are read.
        nulls: values of the source that are blank, trimmed.
        ignores_case: whether columns of a source fit a name in another case, where one alone does.
        called: what messages call them.
    """

    input: Given = field(default_factory=Given)
    columns: Mapping[str, Column] = field(default_factory=dict)
    time: TimeRules = TimeRules()
    amount: AmountRules | None = None
    values: Mapping[str, ValueMap] = field(default_factory=dict)
    own_event_types: tuple[str, ...] = ()
    takes_all_types: bool = False
    session_gap_minutes: int = PLAIN.session_gap_minutes
    exclude: Exclude = Exclude()
    ids_file: str | None = None
    nulls: tuple[str, ...] = ()
    ignores_case: bool = False
    called: str = field(default="the rules", compare=False)

    @property
    def identifies(self) -> bool:
        """Whether the source says which event a record is."""
        return EVENT_ID in self.columns

    @property
    def column_names(self) -> tuple[str, ...]:
        """Our columns that are read of a source, and fields by which records are left out."""
        ours = (*SOURCE_COLUMNS, EVENT_ID) if self.identifies else SOURCE_COLUMNS
        return (*ours, *(f"{WHERE}{name}" for name in self.exclude.where))

    def column(self, name: str) -> Column:
        """Where one of our columns comes from, or a field of `exclude.where`."""
        if name.startswith(WHERE):
            return Column((name.removeprefix(WHERE),))
        return self.columns.get(name, Column((name,)))

    @property
    def advice(self) -> str:
        """What to do where they do not fit a source."""
        if self.called == Rules.called:
            return "Correct the rules"
        return "Have inspect --write_rules write rules of your own, and correct these"

    @property
    def event_types(self) -> tuple[str, ...]:
        """All event types."""
        return (*EVENT_TYPES, *self.own_event_types)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names that columns of a source may have for the rules to look into them.

        A source has few of them: of `context.os.name` a CSV file has a column of that name, a
        Parquet file a struct `context`.
        """
        return self._names_for(self.column_names)

    @property
    def labels(self) -> frozenset[str]:
        """Those of `wanted` whose columns have few values."""
        return frozenset(self.wanted) - {*self._names_for(_MANY_VALUES & {*self.column_names})}

    def known_as(self, names: Sequence[str]) -> Mapping[str, str]:
        """Of a source of columns, by those of `wanted` that it has, what it calls them.

        Args:
            names: of its columns, or of those that `also_called` tells to read.
        """
        found = {name: name for name in self.wanted if name in names}
        if self.ignores_case:
            alike: dict[str, list[str]] = {}
            for name in names:
                alike.setdefault(name.casefold(), []).append(name)
            for name in self.wanted:
                fitting = alike.get(name.casefold(), [])
                if name not in found and len(fitting) == 1:
                    found[name] = fitting[0]
        return found

    def also_called(self, wanted: Collection[str], names: Sequence[str]) -> tuple[str, ...]:
        """Names of columns to look into, with those of a source that fit them in another case.

        All that fit one are there, so that what is read tells, too, whether there is one alone.

        Args:
            wanted: some of `wanted`.
            names: of the source's columns.
        """
        if not self.ignores_case:
            return tuple(wanted)
        absent = {name.casefold() for name in wanted if name not in names}
        return (*wanted, *(name for name in names if name.casefold() in absent))

    def _names_for(self, ours: Iterable[str]) -> tuple[str, ...]:
        paths = [path for name in ours for path in self.column(name).paths]
        return tuple(dict.fromkeys(name for path in paths for name in path.column_names))
