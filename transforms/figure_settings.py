"""The settings that decide what figures are: one value for options, figures, checks and notes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from transforms.data_error import DataError
from transforms.reckoning import PLAIN, Reckoning, WeekStart
from transforms.vocabulary import EVENT_TYPES

# Events hold the index of their type in a byte, whose upper half is negative.
MOST_OWN_TYPES: Final = 100
MOST_LETTERS: Final = 100
# Lists of names are joined by commas, and checks write names as literals of SQL.
_REFUSED: Final = re.compile(r"""[,;'"`\\]""")
# Between the active types and the own ones, as they are noted.
_OWN: Final = "; own: "


@dataclass(frozen=True)
class FigureSettings:
    """What decides the figures of a warehouse: the event types that there are, those of them that
    make a user active on a date or in a month, and how time is reckoned.

    Attributes:
        names: the names of those that make a user active, in the order of `known`.
        own: the names of those that are known beside EVENT_TYPES. Timelines and counters hold their
            places, so that further ones are appended.
        reckoning: how the time of events is reckoned.
    """

    names: tuple[str, ...] = EVENT_TYPES
    own: tuple[str, ...] = ()
    reckoning: Reckoning = PLAIN

    @classmethod
    def among(cls, own: tuple[str, ...], names: Collection[str] | None = None) -> FigureSettings:
        """Those of a warehouse with own event types.

        Args:
            own: as `checked_own` gives them.
            names: of the active ones, in any order; None for all.

        Raises:
            DataError: if one of `names` is not known.
        """
        known = (*EVENT_TYPES, *own)
        for name in names or ():
            if name not in known:
                raise DataError(
                    f"there is no event type {name!r}: it is none of {', '.join(known)}"
                )
        return cls(tuple(name for name in known if names is None or name in names), own)

    @property
    def known(self) -> tuple[str, ...]:
        """All names; the place of one is its code in events, timelines and counters."""
        return (*EVENT_TYPES, *self.own)

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes of the active ones."""
        return tuple(self.known.index(name) for name in self.names)

    def adding(self, own: Iterable[str]) -> FigureSettings:
        """With further own types, which are active where all are."""
        more = (*self.own, *(name for name in own if name not in self.own))
        found = self.among(more, None if self.names == self.known else self.names)
        return replace(found, reckoning=self.reckoning)

    def active_users(self, columns: Mapping[str, str], active_days: str) -> str:
        """SQL for a number of a user that is above 0 where the user was active at all.

        Args:
            columns: by event type the column that counts a user's events; own ones have none.
            active_days: the column that counts a user's active dates.
        """
        if not set(self.names) <= set(columns):
            return active_days
        return f"({' + '.join(columns[name] for name in self.names)})"

    @property
    def note(self) -> str:
        """The event types as a warehouse notes them."""
        return f"{self}{_OWN}{','.join(self.own)}" if self.own else str(self)

    @classmethod
    def of_note(cls, note: str) -> FigureSettings:
        """Those whose `note` it is, with the usual reckoning."""
        names, _, own = note.partition(_OWN)
        return cls(tuple(names.split(",")), tuple(own.split(",")) if own else ())

    def __str__(self) -> str:
        """The active types, as they are typed."""
        return ",".join(self.names)


@dataclass(frozen=True)
class AskedFigures:
    """What a run is told of the settings of figures.

    Attributes:
        names: the names of those that make a user active; None where it is not said: then those of
            the tables, or all.
        own: the names of those that it knows beside EVENT_TYPES, as `checked_own` gives them.
        zone, week_start, session_gap_minutes, earliest: as `Reckoning` has them; None where it is
            not said: then those of the tables, or the usual ones.
    """

    names: tuple[str, ...] | None = None
    own: tuple[str, ...] = ()
    zone: str | None = None
    week_start: WeekStart | None = None
    session_gap_minutes: int | None = None
    earliest: date | None = None

    @classmethod
    def parse(cls, text: str) -> AskedFigures:
        """Names that are joined by commas.

        Raises:
            ValueError: if there is none.
        """
        given = dict.fromkeys(name.strip() for name in text.split(",") if name.strip())
        if not given:
            raise ValueError(f"is not a comma-separated list of {', '.join(EVENT_TYPES)}")
        five = [name for name in EVENT_TYPES if name in given]
        return cls((*five, *(name for name in given if name not in EVENT_TYPES)))

    def first(self, reckoning: Reckoning = PLAIN) -> FigureSettings:
        """The settings of tables that are built from nothing.

        Args:
            reckoning: what holds where it is not said how time is reckoned.

        Raises:
            DataError: if one of `names` is not known.
        """
        types = FigureSettings.among(self.own, self.names)
        return replace(types, reckoning=self.reckoned(reckoning))

    def after(self, noted: FigureSettings) -> FigureSettings:
        """The settings of tables that are built anew, where they had some.

        Raises:
            DataError: as `first` does.
        """
        types = noted.adding(self.own)
        if self.names is not None:
            types = FigureSettings.among(types.own, self.names)
        return replace(types, reckoning=self.reckoned(noted.reckoning))

    def reckoned(self, otherwise: Reckoning) -> Reckoning:
        """How time is reckoned, as far as it is said; the rest is as in another reckoning."""
        return Reckoning(
            self.zone or otherwise.zone,
            self.week_start or otherwise.week_start,
            self.session_gap_minutes or otherwise.session_gap_minutes,
            self.earliest or otherwise.earliest,
        )

    def __str__(self) -> str:
        """As it is typed."""
        return ",".join(self.names or ())


def checked_own(names: Iterable[str]) -> tuple[str, ...]:
    """Own event types, as they are given.

    Raises:
        DataError: if one of them can't be, or there are too many.
    """
    own: dict[str, None] = {}
    for name in names:
        problem = _problem_of(name, own)
        if problem is not None:
            raise DataError(f"the own event type {name[: MOST_LETTERS + 1]!r} {problem}")
        own[name] = None
    if len(own) > MOST_OWN_TYPES:
        raise DataError(
            f"there are {len(own):,} own event types, and {MOST_OWN_TYPES} at most: map those that "
            "matter less to one name"
        )
    return tuple(own)


def _problem_of(name: str, before: Collection[str]) -> str | None:
    if not name.strip():
        return "is blank: give it a name, or leave it out"
    if name != name.strip():
        return "begins or ends with white space, which event types are read without: leave it away"
    if len(name) > MOST_LETTERS:
        return f"is longer than {MOST_LETTERS} characters: map it to a shorter name"
    if not name.isprintable():
        return "holds characters that show nothing: map it to a name without them"
    if found := _REFUSED.search(name):
        return f"holds {found[0]!r}, which names of event types can't: map it to a name without it"
    if name in EVENT_TYPES:
        return "is one of the five that are always known: leave it out"
    return "is listed twice: leave one out" if name in before else None
