"""Random draws that come out alike on every machine.

NumPy's exp, log, normal and Poisson draws may differ in the last bit between processors and
libraries, and one bit is enough to move an event. So the only draws here are uniform integers
and uniform doubles; every other distribution is a table that such an integer looks up, and
tables hold integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rng = np.random.Generator


@dataclass(frozen=True)
class Lottery:
    """Distributions as equally likely tickets.

    tickets: shape (rows, slots); row r holds the distribution of case r, and slots is a power
    of two of at most 65,536.
    """

    tickets: Ints

    @classmethod
    def weighted(cls, weights: ArrayLike, slots: int = 4096) -> Lottery:
        """Tickets 0 … k-1 in proportion to weights of shape (rows, k) or (k,)."""
        table = np.atleast_2d(np.asarray(weights, dtype=np.float64))
        shares = np.cumsum(table, axis=1)
        bounds = np.rint(shares / shares[:, -1:] * slots).astype(np.int64)
        counts = np.diff(bounds, axis=1, prepend=0)
        outcomes = np.arange(table.shape[1])
        return cls(np.stack([np.repeat(outcomes, row) for row in counts]))

    @classmethod
    def lognormal(
        cls, medians: Sequence[float], sigma: float, low: int, high: int, slots: int = 4096
    ) -> Lottery:
        """Whole numbers in [low, high], one row a median, in the unit of the medians."""
        normal = NormalDist()
        factors = [exp(sigma * normal.inv_cdf((slot + 0.5) / slots)) for slot in range(slots)]
        table = np.rint(np.outer(medians, factors)).astype(np.int64)
        return cls(np.clip(table, low, high))

    def draw(self, rng: Rng, rows: Ints) -> Ints:
        """One ticket for each case in `rows`, shape (n,)."""
        slots = self.tickets.shape[1]
        slot = rng.integers(0, slots, len(rows), dtype=np.uint16)
        drawn: Ints = np.take(self.tickets, rows * slots + slot)
        return drawn

    def draw_many(self, rng: Rng, size: int) -> Ints:
        """`size` tickets of the first row."""
        slot = rng.integers(0, self.tickets.shape[1], size, dtype=np.uint16)
        return np.take(self.tickets[0], slot)


def happens(rng: Rng, per_mille: int | Ints, size: int) -> Bools:
    """True with a probability of per_mille / 1000, shape (size,)."""
    return rng.integers(0, 1000, size, dtype=np.uint16) < per_mille


def running_total(values: Ints, lengths: Ints) -> Ints:
    """Cumulative sums that restart with each stretch; all `lengths` are 1 or more."""
    total = np.cumsum(values)
    first = np.cumsum(lengths) - lengths
    before: Ints = np.repeat(total[first] - values[first], lengths)
    return total - before


def position_within(lengths: Ints) -> Ints:
    """0, 1, 2 … within each stretch, shape (sum of lengths,)."""
    first = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(first, lengths)
