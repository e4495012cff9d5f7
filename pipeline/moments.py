"""Moments as tables have them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """This moment, in UTC without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)
