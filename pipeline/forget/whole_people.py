"""All ids of people of whom one id is named."""

from __future__ import annotations

from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.warehouse import Warehouse
from transforms.kernels.person_ids import Pairs
from transforms.state import known_people

_COLUMNS: Final = ("anonymous_id", "user_id")


class WholePeople(NamedTuple):
    """People by all of their ids.

    Attributes:
        ids: all of them: a string array, each once; those that were named come first.
        pairs: what known_people has of them.
    """

    ids: pa.Array
    pairs: Pairs


def whole_people(warehouse: Warehouse, named: pa.Array, present: set[str]) -> WholePeople:
    """All ids of the people behind some.

    Args:
        warehouse: which notes who is known by which ids.
        named: a string array, each once.
        present: the names of its tables.

    Raises:
        RunError: if it can't be read.
    """
    if known_people.TABLE.name not in present:
        return WholePeople(named, Pairs.none())
    by_other = _pairs(warehouse, "anonymous_id", named)
    known = pc.unique(pa.concat_arrays([named, by_other.user_ids]))
    pairs = _pairs(warehouse, "user_id", known)
    return WholePeople(pc.unique(pa.concat_arrays([known, pairs.anonymous_ids])), pairs)


def _pairs(warehouse: Warehouse, column: str, ids: pa.Array) -> Pairs:
    keys = pa.table({column: ids})
    return known_people.pairs_of(warehouse.rows_with(known_people.TABLE, _COLUMNS, keys))
