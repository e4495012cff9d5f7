"""The active dates, weeks or months of users, and how far each is from those around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class ActivePeriods:
    """The active periods of users, in order.

    Attributes:
        user: int64 [n], whose; ascending.
        period: int64 [n], days, weeks or months; ascending within a user.
        since: int64 [n], periods since the user's previous active one; 0 at the first.
        until: int64 [n], periods until the user's next active one; 0 at the last.
        age: int64 [n], periods since the user's first active one.
    """

    user: Ints
    period: Ints
    since: Ints
    until: Ints
    age: Ints

    @classmethod
    def of(cls, user: Ints, period: Ints) -> ActivePeriods:
        """Periods that differ within a user."""
        first = np.ones(len(user), np.bool_)
        first[1:] = user[1:] != user[:-1]
        since = np.diff(period, prepend=0)
        since[first] = 0
        until = np.append(since[1:], 0)[: len(since)]
        start = np.flatnonzero(first)
        age = period - np.repeat(period[start], np.diff(np.append(start, len(user))))
        return cls(user, period, since, until, age)

    def within(self, longer: Ints) -> ActivePeriods:
        """The longer periods in which these lie, each once.

        Args:
            longer: int64 [n], for each of these periods the longer one.
        """
        enters = np.ones(len(self.user), np.bool_)
        enters[1:] = (self.user[1:] != self.user[:-1]) | (longer[1:] != longer[:-1])
        return ActivePeriods.of(self.user[enters], longer[enters])
