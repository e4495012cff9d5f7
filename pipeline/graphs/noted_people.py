"""What a run notes of the people that it is told of."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from pipeline.graphs.staged_forgotten import forgotten_key, known_forgotten
from pipeline.warehouse import Warehouse
from pipeline.warehouse.changes import Change, WriteDisposition
from pipeline.warehouse.staged_files import stage
from transforms.kernels.person_ids import Grown, Pairs
from transforms.state import forgotten_users, known_people


class Admitted(NamedTuple):
    """Pairs, as far as they name nobody who was forgotten.

    Attributes:
        pairs: those that may be noted.
        forgotten: those of people who were by ids that are not yet on their list.
        key: of the list's hashes; None where it is empty.
    """

    pairs: Pairs
    forgotten: Pairs
    key: str | None = None


class Growth(NamedTuple):
    """Pairs that a run is told beyond those of its warehouse.

    Attributes:
        grown: in what they are more.
        admitted: all of them.
    """

    grown: Grown
    admitted: Admitted

    @property
    def moved(self) -> Pairs:
        """Those whose anonymous ids may have events of their own."""
        return Pairs.concat([self.grown.new, self.admitted.forgotten])


def admitted(warehouse: Warehouse, pairs: Pairs) -> Admitted:
    """Pairs, as far as they name nobody whom a warehouse has forgotten.

    Raises:
        RunError: if it can't be read.
    """
    gone = known_forgotten(warehouse)
    if gone is None:
        return Admitted(pairs, Pairs.none())
    by_user, by_other = gone.among(pairs.user_ids), gone.among(pairs.anonymous_ids)
    new = pairs.where(by_user & np.logical_not(by_other))
    return Admitted(pairs.where(~(by_user | by_other)), new, forgotten_key(warehouse))


def replaced_people(
    warehouse: Warehouse, asked: Pairs, run: str, noted_at: datetime, staging: str
) -> tuple[Change, ...]:
    """The changes by which a run notes all pairs that it is told in the place of others.

    Args:
        warehouse: where.
        asked: the pairs.
        run: the run's id.
        noted_at: its moment, in UTC without a zone.
        staging: its folder.

    Raises:
        RunError: if the warehouse can't be read, or rows can't be staged.
    """
    found = admitted(warehouse, asked)
    rows = known_people.rows(found.pairs, noted_at)
    files = stage(known_people.TABLE, rows, staging, warehouse.capabilities.layout)
    return (
        Change(known_people.TABLE, WriteDisposition.REPLACE, files),
        *also_forgotten(warehouse, found, run, noted_at, staging),
    )


def also_forgotten(
    warehouse: Warehouse, found: Admitted, run: str, noted_at: datetime, staging: str
) -> tuple[Change, ...]:
    """The change by which other ids of people who were forgotten get on their list.

    Args:
        warehouse, run, noted_at, staging: as `replaced_people` takes them.
        found: what the pairs say of them.

    Raises:
        RunError: if rows can't be staged.
    """
    if not len(found.forgotten) or found.key is None:
        return ()
    rows = forgotten_users.rows(found.forgotten.anonymous_ids, found.key, noted_at, run)
    files = stage(forgotten_users.TABLE, rows, staging, warehouse.capabilities.layout)
    return (Change(forgotten_users.TABLE, WriteDisposition.MERGE, files),)
