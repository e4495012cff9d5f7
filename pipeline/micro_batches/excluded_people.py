"""People of whom an id is left out for a rate of events: who turns out to be known by another id is
left out by that one too, as their events together are no fewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.graphs.noted_people import Growth
from pipeline.warehouse.lookups import Lookup
from transforms.contract import Table
from transforms.kernels.person_ids import KnownPeople
from transforms.kernels.rates import FOUND, NOBODY
from transforms.state import excluded_users

_TABLE: Final = excluded_users.TABLE


@dataclass(frozen=True)
class ExcludedPeople:
    """Who is left out by the ids that stand for them now.

    Attributes:
        users: they, with the schema FOUND, each once.
        gone: their other ids, which leave excluded_users: a string array.
    """

    users: pa.Table
    gone: pa.Array

    @classmethod
    def nobody(cls) -> ExcludedPeople:
        """Nobody."""
        return cls(NOBODY, NOBODY["user_id"].combine_chunks())

    @classmethod
    def of(
        cls, growth: Growth, keys: Table, looked_up: Callable[[Lookup, pa.Table], pa.Table]
    ) -> ExcludedPeople:
        """Who of those that are known now is left out by another id.

        Args:
            growth: who is known now.
            keys: the contract of rows of a user_id, by which is looked up.
            looked_up: gives the rows of a lookup by keys.

        Raises:
            RunError: if the warehouse can't be read.
        """
        moved = growth.moved
        wanted = Lookup(_TABLE, tuple(FOUND.names), ("user_id",), keys)
        found = looked_up(wanted, keys.build({"user_id": moved.anonymous_ids}))
        gone = found["user_id"].cast(pa.string()).combine_chunks()
        people = KnownPeople.of(moved).known(gone)
        users = found.set_column(0, "user_id", people).cast(FOUND)
        forgotten = pc.is_in(people, value_set=growth.admitted.forgotten.user_ids)
        return cls(_first_of_each(users.filter(pc.invert(forgotten))), gone)

    def changes(self, moment: pa.Scalar) -> dict[str, pa.Table]:
        """By the names of contracts, what changes in excluded_users."""
        deletes: dict[str, Any] = {
            "user_id": self.gone,
            "excluded_at": pa.repeat(moment, len(self.gone)),
        }
        return {
            _TABLE.name: excluded_users.rows(self.users, moment),
            _TABLE.deletes.name: _TABLE.deletes.build(deletes),
        }


def _first_of_each(users: pa.Table) -> pa.Table:
    """Of several rows of a user the first by rule, which are in the order in which they count."""
    ordered = users.sort_by([("user_id", "ascending"), ("rule", "ascending")])
    _, first = np.unique(ordered["user_id"].to_numpy(), return_index=True)
    return ordered.take(pa.array(first))
