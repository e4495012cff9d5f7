"""warehouse_settings: one row per setting that decides what the figures mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

import pyarrow as pa

from transforms.contract import STRING, TIMESTAMP, Table, required
from transforms.figure_settings import FigureSettings
from transforms.reckoning import PLAIN, Reckoning

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
# How time is reckoned: the time zone of dates, the day with which weeks begin, after how long a
# pause another session begins, and the date of the earliest events. Those that are not there are
# the usual ones.
TIMEZONE: Final = "timezone"
WEEK_START: Final = "week_start"
SESSION_GAP: Final = "session_gap_minutes"
EARLIEST: Final = "earliest"
# By which rules input files are read, as JSON; blank, or not there, for none. An option of a run
# that names their file is noted as `rules`.
RULES: Final = "input_rules"
# Those of a run that all runs into its warehouse share.
SHARED: Final = (ACTIVE_EVENT_TYPES, TIMEZONE, WEEK_START, SESSION_GAP, EARLIEST, RULES)


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


def noted_figures(figures: FigureSettings) -> dict[str, str]:
    """What is noted of settings: values by name."""
    reckoning = figures.reckoning
    return {
        ACTIVE_EVENT_TYPES: figures.note,
        TIMEZONE: reckoning.zone,
        WEEK_START: reckoning.week_start,
        SESSION_GAP: str(reckoning.session_gap_minutes),
        EARLIEST: reckoning.earliest.isoformat(),
    }


def reckoning_of(settings: Mapping[str, str]) -> Reckoning:
    """How time is reckoned by the settings that are noted."""
    return Reckoning(
        settings.get(TIMEZONE, PLAIN.zone),
        "sunday" if settings.get(WEEK_START) == "sunday" else "monday",
        int(settings.get(SESSION_GAP, PLAIN.session_gap_minutes)),
        date.fromisoformat(settings.get(EARLIEST, PLAIN.earliest.isoformat())),
    )
