"""Ids that are the same in every bundle of a warehouse, so that an import replaces the last one."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("5a2f6c1e-5d0b-4c55-9a3d-0d2f5f0c9b1a")


def stable_id(url: str, kind: str, name: str) -> str:
    """The id of a thing in the bundle of a warehouse.

    Args:
        url: of the warehouse, for Superset.
        kind: database, dataset, chart or dashboard.
        name: of it.
    """
    return str(uuid5(_NAMESPACE, f"{url} {kind} {name}"))
