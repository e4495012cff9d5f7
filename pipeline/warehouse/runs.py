"""The ids of runs: they name what a run stages and its jobs, and stay with BigQuery's tables."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

_STREAM: Final = "stream_"


def new_run(started_at: datetime) -> str:
    """The id of a new run: letters, digits and underscores."""
    return f"{started_at:%Y%m%dt%H%M%S}_{secrets.token_hex(4)}"


def new_stream(started_at: datetime) -> str:
    """The id of a new run that goes on until it is stopped."""
    return f"{_STREAM}{new_run(started_at)}"


def is_stream(run: str) -> bool:
    """Whether a run's id is that of a stream."""
    return run.startswith(_STREAM)
