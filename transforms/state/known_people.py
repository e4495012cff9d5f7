"""known_people: one row per anonymous id whose person is known by another id."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, required
from transforms.kernels.person_ids import Pairs

TABLE = Table(
    name="known_people",
    description="One row per anonymous id whose person is known by another id.",
    columns=(
        required("anonymous_id", STRING, "The id under which no event is stored"),
        required("user_id", STRING, "The id that stands for the person; chains are followed"),
        required("learnt_at", TIMESTAMP, "When that was noted"),
    ),
    primary_key=("anonymous_id",),
    written_at="learnt_at",
)


def rows(pairs: Pairs, learnt_at: datetime) -> pa.Table:
    """The rows of some pairs.

    Args:
        pairs: they.
        learnt_at: in UTC without a zone.
    """
    return TABLE.build(
        {
            "anonymous_id": pairs.anonymous_ids,
            "user_id": pairs.user_ids,
            "learnt_at": pa.scalar(learnt_at, pa.timestamp("us")),
        }
    )


def pairs_of(rows: pa.Table) -> Pairs:
    """The pairs of rows of known_people, or of its first two columns."""
    return Pairs(*(rows[name].combine_chunks() for name in ("anonymous_id", "user_id")))
