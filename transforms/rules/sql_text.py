"""Names and texts in SQL of DuckDB."""

from __future__ import annotations


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"


def named(name: str) -> str:
    """The name of a column or field."""
    return '"' + name.replace('"', '""') + '"'
