"""The error that a user of the pipeline meets: one line that says what, where and what to do."""

from __future__ import annotations


class DataError(Exception):
    """The input can't become true tables; the message says why, where, and what to do."""
