"""warehouse_settings: one row per setting that decides what the figures mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, required

TABLE = Table(
    name="warehouse_settings",
    description="One row per setting that all runs into the warehouse share.",
    columns=(
        required("name", STRING, "The setting"),
        required("value", STRING, "What it is"),
        required("noted_at", TIMESTAMP, "When it was noted"),
    ),
    primary_key=("name",),
    written_at="noted_at",
)

# The event types that make a user active, joined by commas; and own ones where there are some.
ACTIVE_EVENT_TYPES: Final = "active_event_types"
# By which rules input files are read, as JSON; blank, or not there, for none. An option of a run
# that names their file is noted as `rules`.
RULES: Final = "input_rules"
# Those of a run that all runs into its warehouse share.
SHARED: Final = (ACTIVE_EVENT_TYPES, RULES)


def rows(settings: Mapping[str, str], noted_at: datetime) -> pa.Table:
    """The rows of some settings.

    Args:
        settings: values by name.
        noted_at: the moment of writing, in UTC without a zone.
    """
    return TABLE.build(
        {
            "name": pa.array(settings.keys(), pa.string()),
            "value": pa.array(settings.values(), pa.string()),
            "noted_at": pa.scalar(noted_at, pa.timestamp("us")),
        }
    )


def settings_of(rows: pa.Table) -> dict[str, str]:
    """The settings that rows of warehouse_settings hold: values by name."""
    return dict(zip(rows["name"].to_pylist(), rows["value"].to_pylist(), strict=True))
