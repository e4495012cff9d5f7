"""The ids of runs: they name what a run stages and its jobs, and stay with BigQuery's tables."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Final

_STREAM: Final = "stream_"


_MOMENT: Final = "%Y%m%dt%H%M%S"


def new_run(started_at: datetime) -> str:
    """The id of a new run: letters, digits and underscores."""
    return f"{started_at:{_MOMENT}}_{secrets.token_hex(4)}"


def new_stream(started_at: datetime) -> str:
    """The id of a new run that goes on until it is stopped."""
    return f"{_STREAM}{new_run(started_at)}"


def is_stream(run: str) -> bool:
    """Whether a run's id is that of a stream."""
    return run.startswith(_STREAM)


def begun(run: str) -> datetime | None:
    """When a run began, to the second, by its id; None where that does not say."""
    with suppress(ValueError):
        return datetime.strptime(run.removeprefix(_STREAM).partition("_")[0], _MOMENT)
    return None
