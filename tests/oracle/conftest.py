"""A database for the oracle's tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One in memory."""
    with duckdb.connect() as opened:
        yield opened


def query(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """The rows of a statement."""
    return connection.execute(sql).fetchall()
