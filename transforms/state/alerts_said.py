"""alerts_said: one row per thing that was posted and still holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, required

TABLE = Table(
    name="alerts_said",
    description="One row per thing that --alert has posted and that still holds.",
    columns=(
        required("subject", STRING, "What it is about: alert_level, checks, dead_letters ..."),
        required("said", STRING, "What was posted of it: a level, the id of a check, over"),
        required("said_at", TIMESTAMP, "When the row was written"),
    ),
    primary_key=("subject", "said"),
    written_at="said_at",
)


def rows(said: Mapping[str, frozenset[str]], said_at: datetime) -> pa.Table:
    """The rows of what was posted, in the order of their keys.

    Args:
        said: by subject.
        said_at: the moment of writing, in UTC without a zone.
    """
    pairs = sorted((subject, each) for subject, found in said.items() for each in found)
    return TABLE.build(
        {
            "subject": pa.array([subject for subject, _ in pairs], pa.string()),
            "said": pa.array([each for _, each in pairs], pa.string()),
            "said_at": pa.array([said_at] * len(pairs), pa.timestamp("us")),
        }
    )


def said_of(rows: pa.Table) -> dict[str, frozenset[str]]:
    """What was posted, by subject, as rows of alerts_said hold it."""
    found: dict[str, set[str]] = {}
    for row in rows.to_pylist():
        found.setdefault(row["subject"], set()).add(row["said"])
    return {subject: frozenset(said) for subject, said in found.items()}
